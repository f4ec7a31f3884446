"""What the procedures of `leash calibrate` share: options, the opened machine, and printing."""

import contextlib
import functools
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal

import cv2
import tyro
from msgspec import Meta

from leash_robot.calibration.camera.charuco_board import Board
from leash_robot.calibration.session import AttendedMachine, Procedure
from leash_robot.calibration.session import calibrate as run_calibration
from leash_robot.calibration.store import serial_number, store_of
from leash_robot.launch.commands.calibrate.guide import GuideOptions, OperatorGuide, guided
from leash_robot.launch.commands.deploy import terminable
from leash_robot.launch.composition.attended import attended
from leash_robot.launch.composition.plan import load_plan
from leash_robot.launch.composition.robots import camera_sources, told_camera
from leash_robot.launch.options.checked import checked
from leash_robot.launch.options.parsing import parsed
from leash_robot.launch.options.shipped import DynamicsFile
from leash_robot.launch.reporting.output import console, emit
from leash_robot.robot.bodies.pupper.driver import Pupper
from leash_robot.robot.calibration import Calibration, load_calibration
from leash_robot.robot.cameras.camera import open_camera
from leash_robot.robot.cameras.image import Eye
from leash_robot.robot.errors import CameraError, GateLatched, PortError, UsageError
from leash_robot.robot.host.priority import first_in_line
from leash_robot.robot.spec import Spec, load_spec
from leash_robot.sim.randomization.identified import write_dynamics
from leash_robot.teleop.brake import Brake

NICE = -10
"""As the control loop."""
Name = Annotated[str, Meta(pattern=r"^[A-Za-z0-9_.-]*$", max_length=60)]


@dataclass(frozen=True)
class MachineOptions:
    """Which machine is calibrated, and where its calibrations are kept."""

    robot: Literal["twin", "pupper"] = "twin"
    """twin: a simulated Pupper behind a real serial line. pupper: the machine."""
    port: str | None = None
    """Serial port for `pupper`: /dev/ttyACM0, or the one that `leash twin` prints."""
    machine: Name = ""
    """What this machine is called; its serial number if left out."""
    store: Path = Path("calibrations")
    """Folder of all calibrations, one folder a machine."""
    dynamics: DynamicsFile = None
    """YAML with the errors, masses, friction and latencies of the twin."""
    seed: Annotated[int, Meta(ge=0)] | None = None
    """Seed of the twin's noise."""
    yes: bool = False
    """Ask nothing; for scripts. You have seen to the robot yourself."""
    json: bool = False
    """Print one JSON object on the last line."""
    guide: Annotated[GuideOptions, tyro.conf.OmitArgPrefixes] = field(default_factory=GuideOptions)


def calibrate(
    options: MachineOptions, procedure: Procedure, *, cameras: Sequence[str] = (), board: bool = False
) -> int:
    """Run a procedure on a machine, keep what it found as the machine's next version, and print the figures.

    `cameras` are opened beside the robot (NAME=SOURCE, or `on`); a twin's looks at a `board`.
    """
    spec = load_spec()
    with (
        terminable(),
        guided(options.guide, options.store) as guide,
        _port(options, cameras=cameras, board=board) as (port, attached),
    ):
        store = store_of(options.store, options.machine, options.robot, port, spec)
        ask = not options.yes and (options.robot == "pupper" or options.guide.page)
        attend = functools.partial(_attended, port, camera_sources(cameras, attached), spec, guide)
        path, figures = run_calibration(procedure, store, serial_number(port), guide, attend, ask=ask)
    found = load_calibration(path, spec)
    if found.motors:
        write_dynamics(found, path)
    _print(path, figures, options)
    return 0


@contextlib.contextmanager
def _attended(port: str, sources: Mapping[str, str], spec: Spec, guide: OperatorGuide) -> Iterator[AttendedMachine]:
    """The machine with its cameras, and a person at terminal and page who can stop it."""
    with (
        _cameras(sources, spec) as cameras,
        first_in_line(NICE),
        attended(guide.brake) as person,
        console.status("") as status,
    ):

        def say(text: str) -> None:
            status.update(text)
            guide.say(text)

        yield AttendedMachine(functools.partial(_opened, port, cameras, person.brake), say, person.brake.check)


@contextlib.contextmanager
def _opened(
    port: str, cameras: Mapping[str, Eye], brake: Brake, spec: Spec, calibration: Calibration
) -> Iterator[Pupper]:
    """The robot, until a person stops it; it lies down at the end.

    Raises GateLatched when it could not: the next step would open it, and let it stand up, without a person.
    """
    robot = Pupper(spec, port, calibration=calibration, cameras=cameras)
    robot.watch = brake.watch
    with brake.on(robot.stop), robot:
        yield robot
        robot.rest()
        brake.check()
        if robot.gate.latched:
            raise GateLatched(f"the gate stopped the robot: {robot.gate.cause}; see to it, then start again")


@contextlib.contextmanager
def _cameras(sources: Mapping[str, str], spec: Spec) -> Iterator[dict[str, Eye]]:
    """The cameras, opened. Raises CameraError."""
    with contextlib.ExitStack() as stack:
        for name in sources:
            if name not in spec.cameras:
                raise CameraError(f"{spec.name} has no camera {name!r}; its spec names {sorted(spec.cameras)}")
        yield {
            name: stack.enter_context(told_camera(name, open_camera(source, spec.cameras[name])))
            for name, source in sources.items()
        }


def _print(path: Path, figures: dict[str, float], options: MachineOptions) -> None:
    for name, value in figures.items():
        console.print(f"{name:<30}{value:.4g}", highlight=False)
    console.print(f"written to {path}", highlight=False)
    if options.json:
        result: dict[str, Any] = {"calibration": str(path), "hash": path.stem.partition("-")[2], **figures}
        emit(result)


@contextlib.contextmanager
def _port(options: MachineOptions, *, cameras: Sequence[str], board: bool) -> Iterator[tuple[str, Mapping[str, str]]]:
    """The serial port of the machine and its cameras; a twin runs for as long as the block lasts."""
    if options.robot == "pupper":
        if options.dynamics or options.seed is not None:
            raise UsageError("--dynamics and --seed mean nothing to --robot pupper; leave them out")
        if options.port is None:
            raise PortError("--robot pupper needs --port, such as --port /dev/ttyACM0; try it first with --robot twin")
        yield options.port, load_plan("pupper").cameras
        return
    from leash_robot.sim.twin.twin import TwinConfig, TwinProcess

    if options.port is not None:
        raise UsageError("--port means nothing to --robot twin; leave one of them out")
    with tempfile.TemporaryDirectory(prefix="leash-") as folder:
        shown = _printed(Path(folder)) if board else None
        config = TwinConfig(dynamics=options.dynamics, seed=options.seed or 0, camera=bool(cameras), board=shown)
        with TwinProcess(config) as twin:
            yield twin.port, twin.cameras


def _printed(folder: Path) -> Path:
    """The board's pattern, a pixel a module."""
    path = folder / "board.png"
    cv2.imwrite(str(path), Board().modules)
    return path


def parse(title: str, args: list[str]) -> MachineOptions:
    """The options of one procedure."""
    about = f"Calibrate one machine: `leash calibrate {title} --robot twin`."
    return checked(parsed(MachineOptions, f"leash calibrate {title}", args, about))
