"""Opens the policy that a command names: a scripted gait in this process, a learned one behind its own server."""

import contextlib
import math
import subprocess
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from leash_robot.launch.composition.command_bounds import Bounds, stated, within
from leash_robot.launch.composition.learned_with import check_calibration
from leash_robot.launch.composition.plan import Plan
from leash_robot.launch.composition.robots import Opened, RobotOptions, camera_sources
from leash_robot.launch.reporting.output import console
from leash_robot.policies.freshness import Fresh, too_slow
from leash_robot.policies.manifest import Manifest, check_fits, check_gait, describe
from leash_robot.policies.policy_file import read_manifest
from leash_robot.policies.scripted.by_name import names, own_gaits, scripted
from leash_robot.policies.serving.client import RemotePolicy
from leash_robot.robot.clock import MonotonicClock
from leash_robot.robot.errors import PolicyError
from leash_robot.robot.host.child import python_command, socket_folder
from leash_robot.robot.host.extras import require
from leash_robot.robot.host.priority import renice
from leash_robot.robot.locomotion.velocity_command import ConstantCommand
from leash_robot.robot.spec import BODY_VELOCITY, Axis, Spec, load_spec
from leash_robot.robot.types import Policy

STARTING = 60.0
"""How long a policy server may take to start [s]; torch alone takes seconds."""
ENDING = 3.0
"""How long a policy server may take to end [s]."""
SERVE = "from leash_robot.launch.cli import main; sys.exit(main())"


@dataclass(frozen=True)
class PolicyHandle:
    """A policy, opened."""

    policy: Policy
    remote: RemotePolicy | None = None
    """The same policy when it runs behind a server; it counts round trips and late replies."""
    local: Fresh | None = None
    """The same policy when it runs in this process."""
    commands: Bounds | None = None
    """Which commands it states that it follows."""
    axes: Sequence[Axis] = BODY_VELOCITY
    """What it is commanded."""

    @property
    def trouble(self) -> str:
        """Why the policy did not decide at the last tick, in one line; empty when it did."""
        return self.remote.blame if self.remote is not None else self.local.trouble if self.local is not None else ""

    @property
    def given_up(self) -> bool:
        """Whether it asks for a soft stop until its reset."""
        deciding = self.remote or self.local
        return deciding is not None and deciding.stopped

    @property
    def answering(self) -> tuple[float, float]:
        """Time that the server's last answer took [s], and the share that came too late; NaN without a server."""
        if self.remote is None or not self.remote.stats.round_trip:
            return math.nan, math.nan
        stats = self.remote.stats
        return stats.round_trip[-1], stats.late / max(1, stats.asked)

    def with_command(self, command: Sequence[float]) -> Policy:
        """The policy with a command (k,) to follow; one that steers by a camera knows its own.

        Raises UsageError for a command beyond those that it states.
        """
        if self.remote is not None and self.remote.manifest.pixels is not None:
            return self.policy
        within(command, self.commands, self.axes)
        return ConstantCommand(self.policy, command)


def needs_imu(name: str, options: RobotOptions, keys: Path | None = None, gait: str = "") -> bool:
    """Whether the policy called, stored or served as `name`, or the gait below it, reads gravity or the gyro.

    Raises PolicyError, also for a gait that does not fit, and for a policy that learned with another calibration.
    """
    require(*options.entry.defaults.packages.get(options.kind, ()), *["torch"] * (_is_file(name) or _is_file(gait)))
    check_below(name, gait)
    if gait_needs_imu(gait, options):
        return True
    if name in names():
        return False
    if "://" in name:
        spec = load_spec(options.load_plan().spec)
        with RemotePolicy(name, spec, keys=keys) as remote:
            return _needs_imu(remote.manifest, name, options)
    _check_there(name)
    return _needs_imu(read_manifest(Path(name)), name, options)


def _is_file(name: str) -> bool:
    return bool(name) and name not in names() and "://" not in name


def _needs_imu(manifest: Manifest, name: str, options: RobotOptions) -> bool:
    check_calibration(manifest, name, options)
    check_cameras(manifest, name, options)
    return manifest.needs_imu


def check_cameras(manifest: Manifest, name: str, options: RobotOptions) -> None:
    """Raise PolicyError where a policy sees by a camera that the options do not open."""
    attached = options.load_plan().cameras
    drawn = options.kind != "real" and "on" in options.camera
    opened = camera_sources(options.camera, attached)
    for camera in manifest.cameras:
        if camera not in opened and not drawn and not manifest.bounds[camera].optional:
            raise PolicyError(f"{name} sees by the camera {camera}; give --camera on, or --camera {camera}=SOURCE")


def gait_needs_imu(gait: str, options: RobotOptions) -> bool:
    """Whether a gait reads gravity or the gyro. Raises PolicyError for one that is not for this robot, ignores
    commands, or learned with another calibration.
    """
    if gait in own_gaits():
        return False
    require("torch")
    manifest = read_manifest(Path(gait))
    check_gait(manifest, gait, load_spec(options.load_plan().spec))
    return _needs_imu(manifest, gait, options)


def steers(name: str) -> bool:
    """Whether a policy is a file that steers by a camera, above a gait. Raises PolicyError."""
    return _is_file(name) and read_manifest(Path(name)).pixels is not None


def check_below(name: str, gait: str) -> None:
    """Raise PolicyError where a gait is named that nothing would walk with."""
    if gait in own_gaits() or steers(name):
        return
    if "://" in name:
        raise PolicyError(f"what walks there is for the server to say: `leash serve POLICY --gait {gait}`")
    raise PolicyError(f"{name} moves the joints itself, so there is nothing below it; leave out --gait {gait}")


def _check_there(name: str) -> None:
    """Raise PolicyError where a policy is no file, saying what it is instead."""
    path = Path(name)
    if path.is_file():
        return
    if path.is_dir():
        raise PolicyError(f"{name} is a folder; give a policy file (.safetensors)")
    what = "a link to nothing" if path.is_symlink() else "not there"
    raise PolicyError(f"policy file {name} is {what}; give a file, an endpoint (tcp://...), or {', '.join(names())}")


@contextlib.contextmanager
def open_policy(name: str, spec: Spec, plan: Plan, keys: Path | None = None, gait: str = "") -> Iterator[PolicyHandle]:
    """Open `trot`, `stand`, a policy file, or a server's endpoint (tcp://..., ipc://...).

    A policy file is served by a process of its own, with the gait below it where it has one, so that torch never
    shares a process with the motors.
    """
    if name in names():
        local = Fresh(scripted(name, spec), describe(name, spec).bounds, MonotonicClock())
        yield PolicyHandle(local, local=local, commands=stated(name), axes=spec.commanded)
    elif "://" in name:
        with RemotePolicy(name, spec, keys=keys) as remote:
            yield PolicyHandle(remote, remote, commands=remote.manifest.commands, axes=spec.commanded)
    else:
        with (
            served(name, plan, gait) as (endpoint, gone),
            RemotePolicy(endpoint, spec, patience=STARTING, gone=gone) as remote,
        ):
            yield PolicyHandle(remote, remote, commands=remote.manifest.commands, axes=spec.commanded)


@contextlib.contextmanager
def served(name: str, plan: Plan, gait: str = "") -> Iterator[tuple[str, Callable[[], str]]]:
    """Serve a policy file in a process of its own for the length of the block; yields its endpoint, and what says why
    the process ended, if it did.
    """
    _check_there(name)
    require("torch")
    with socket_folder("leash-") as folder:
        endpoint = f"ipc://{folder}/policy"
        serve = [*python_command(SERVE), "serve", name, "--endpoint", endpoint, *(["--gait", gait] if gait else [])]
        last_words = Path(folder) / "errors"
        with last_words.open("wb") as errors:
            process = subprocess.Popen(serve, stdout=subprocess.DEVNULL, stderr=errors)
        renice(process.pid, plan.processes.server.nice)
        try:
            yield endpoint, lambda: ended(process, last_words)
        finally:
            end(process)


def ended(process: "subprocess.Popen[bytes]", errors: Path) -> str:
    """Why a policy server has ended, in one line, by its code and its last words; empty while it runs."""
    if process.poll() is None:
        return ""
    said = errors.read_text(errors="replace").strip().splitlines() or [f"it ended with {process.returncode}"]
    return f"the policy server failed to start: {said[-1].removeprefix('leash serve: ')}"


def end(process: subprocess.Popen[bytes]) -> None:
    """Ask a process to end; one that does not is killed."""
    process.terminate()
    try:
        process.wait(ENDING)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def name_slow_cameras(handle: PolicyHandle, opened: Opened) -> None:
    """Say which cameras are too slow for the policy, a line each."""
    bounds = {} if handle.remote is None else handle.remote.manifest.bounds
    for line in too_slow(bounds, opened.camera_rates()):
        console.print(
            f"{line}; give it more light or a port of its own", style="yellow", highlight=False, soft_wrap=True
        )


def local_policy(name: str, spec: Spec) -> tuple[Policy, bool]:
    """`trot`, `stand` or a policy file in this process, for robots without motors; and whether it needs an IMU.

    Raises PolicyError for a file that does not fit the robot or steers by a camera.
    """
    if name in names():
        return Fresh(scripted(name, spec), describe(name, spec).bounds), False
    if not Path(name).is_file():
        raise PolicyError(f"no policy file {name!r}; give a file, or one of {sorted(names())}")
    from leash_robot.policies.registry import load_policy

    manifest, make = load_policy(Path(name))
    check_fits(manifest, spec)
    if manifest.pixels is not None:
        raise PolicyError(f"{name} steers by a camera and follows no command")
    return Fresh(make(), manifest.bounds), manifest.needs_imu
