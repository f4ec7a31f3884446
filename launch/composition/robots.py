"""Opens the robot that `--robot` and `--body` name, with everything its plan says must run beside it."""

import contextlib
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Annotated, Literal

from msgspec import Meta, UnsetType
from msgspec.structs import replace as replace_struct

from leash_robot.calibration.store import choose, serial_number
from leash_robot.launch.composition.plan import Plan, kind_of, load_plan
from leash_robot.launch.options.bodies import BodyName, RobotName, body_of
from leash_robot.launch.options.shipped import DynamicsFile
from leash_robot.launch.reporting.output import console
from leash_robot.robot.bodies.registry import DEFAULT, Body, Kind, Machine, Simulated, Wiring, find
from leash_robot.robot.calibration import Calibration
from leash_robot.robot.cameras.address import shown
from leash_robot.robot.cameras.camera import CameraProcess, open_camera
from leash_robot.robot.errors import CameraError, PortError, SpecError, UsageError
from leash_robot.robot.fake import FakeRobot
from leash_robot.robot.spec import Axis, Spec, load_spec
from leash_robot.robot.types import Robot, Watch, unattended
from leash_robot.sim.ground_truth import SimulatorHandle


@dataclass(frozen=True)
class RobotOptions:
    """Which robot, and what is attached to it."""

    robot: RobotName = "twin"
    """sim: the training simulator in this process. twin: a simulated machine behind a real serial line. real, or the
    name of a body such as pupper: the machine."""
    port: str | None = None
    """Serial port of the machine: /dev/ttyACM0, or the one that `leash twin` prints."""
    camera: tuple[str, ...] = ()
    """Cameras as NAME=SOURCE: /dev/video0, a URL, a video file, `synthetic`; or `on` for the ones in the plan."""
    calibration: Path | None = None
    """Calibration of this machine: its folder under `calibrations`, for the newest one, or a file."""
    accept_calibration: Annotated[str, Meta(pattern=r"^[0-9a-f]*$", max_length=64)] = ""
    """Let a policy drive that learned with another calibration than this machine's: the hash of that one."""
    dynamics: DynamicsFile = None
    """YAML with the masses, friction, latencies and so on of a simulated robot."""
    boot: Literal["cold", "homed"] | None = None
    """Whether a twin goes through its power-up and homing first, or has just done so, which is the default."""
    seed: Annotated[int, Meta(ge=0)] | None = None
    """Seed of a simulated robot's noise; 0 where it is left out."""
    plan: Path | None = None
    """YAML that says which processes run at what rate, instead of the built-in one."""
    body: BodyName = DEFAULT
    """Which body is simulated, or is the machine."""

    @property
    def kind(self) -> Kind:
        """Whether it is the simulator, the twin or the machine."""
        return kind_of(self.robot)

    @property
    def entry(self) -> Body:
        """The body in the registry. Raises UsageError for an unknown one, or for two."""
        return body_of(self.robot, self.body)

    @property
    def axes(self) -> tuple[Axis, ...] | None:
        """What a person commands, where the body says so; None where it is the body's velocity."""
        command = load_spec(self.load_plan().spec).command
        return None if isinstance(command, UnsetType) else command

    def load_plan(self) -> Plan:
        """Which processes run. Raises SpecError."""
        return load_plan(self.robot, self.plan, self.entry)

    @property
    def noise(self) -> int:
        """The seed, also where none is given."""
        return 0 if self.seed is None else self.seed


@dataclass(frozen=True)
class Opened:
    """A robot that is ready for `reset`, and what belongs to it."""

    robot: Robot
    spec: Spec
    plan: Plan
    calibration: Calibration
    simulator: SimulatorHandle | None = None
    gate_stops: Callable[[], int] = field(default=lambda: 0)
    """How often the gate stopped the robot since it was opened."""
    stopped: Callable[[], str] = field(default=lambda: "")
    """Why the gate holds the robot stopped; empty while it does not."""
    rearm: Callable[[], None] = field(default=lambda: None)
    """A person's consent to go on after a stop; `robot.reset` then stands the robot up."""
    stop: Callable[[str], None] = field(default=lambda cause: None)
    """A person stops the robot, from any thread and in any state; says why."""
    camera_rates: Callable[[], Mapping[str, float]] = field(default=dict)
    """How many pictures a second each camera has delivered since it was opened; only what can be told by now [Hz]."""
    body: Body = field(default_factory=find)
    """The registry's entry of the robot."""
    machine: Machine | None = None
    """The same robot where it is behind a safety gate."""


@contextlib.contextmanager
def open_robot(
    options: RobotOptions, *, needs_imu: bool = False, realtime: bool = False, watch: Watch = unattended
) -> Iterator[Opened]:
    """Open a robot; leaving the block, by any road, makes it safe and ends every process that was started.

    `realtime` paces the simulator by the clock, for people to drive; the serial robots always are. `watch` is asked
    whether a person stops the robot while it homes, stands up or lies down.
    """
    _refuse_foreign(options)
    plan = options.load_plan()
    spec = load_spec(plan.spec)
    if plan.processes.control.rate != spec.rate:
        raise SpecError(f"control runs at {plan.processes.control.rate} Hz but {spec.name} is built for {spec.rate} Hz")
    frame = Opened(FakeRobot(spec), spec, plan, known_calibration(options, spec), body=options.entry)
    if options.kind == "sim":
        opener = _open_sim(options, frame, realtime=realtime)
    elif options.kind == "twin":
        opener = _open_twin(options, frame, watch, needs_imu=needs_imu)
    else:
        opener = _open_real(options, frame, watch, needs_imu=needs_imu)
    with opener as opened:
        yield opened


def known_calibration(options: RobotOptions, spec: Spec) -> Calibration:
    """The calibration that the options name, or that of a machine that needs none. Raises CalibrationError."""
    if options.calibration is None:
        return Calibration.identity(spec)
    return choose(options.calibration, spec, serial_number(options.port) if options.port else "")


def _refuse_foreign(options: RobotOptions) -> None:
    """Raise UsageError for an option that this kind of robot would not heed."""
    unheard = {
        "sim": ("port", "calibration", "accept_calibration", "boot"),
        "twin": ("port",),
        "real": ("dynamics", "boot", "seed"),
    }[options.kind]
    for name in unheard:
        if getattr(options, name) != getattr(RobotOptions(), name):
            flag = name.replace("_", "-")
            raise UsageError(f"--{flag} means nothing to --robot {options.robot}; leave one of them out")


@contextlib.contextmanager
def _open_sim(options: RobotOptions, frame: Opened, *, realtime: bool) -> Iterator[Opened]:
    if foreign := [item for item in options.camera if item != "on"]:
        raise CameraError(f"--robot sim draws its own cameras: --camera {shown(foreign[0])!r} must be `on`")
    how = Simulated(frame.spec, options.dynamics, options.noise, bool(options.camera), realtime)
    with frame.body.sim(how) as robot:
        yield replace(frame, robot=robot, simulator=_handle(robot))


@contextlib.contextmanager
def _open_twin(options: RobotOptions, frame: Opened, watch: Watch, *, needs_imu: bool) -> Iterator[Opened]:
    cameras = frame.plan.running({"cameras"} if options.camera else set())
    how = Simulated(frame.spec, options.dynamics, options.noise, "camera" in cameras, boot=options.boot or "homed")
    with (
        frame.body.twin(how) as twin,
        _serial(
            twin.port, options, replace(frame, simulator=_handle(twin)), twin.cameras, watch, needs_imu=needs_imu
        ) as opened,
    ):
        yield opened


def _handle(simulated: object) -> SimulatorHandle | None:
    """Ground truth and a person's hands, where a simulated robot has them."""
    return simulated if isinstance(simulated, SimulatorHandle) else None


@contextlib.contextmanager
def _open_real(options: RobotOptions, frame: Opened, watch: Watch, *, needs_imu: bool) -> Iterator[Opened]:
    if options.port is None:
        raise PortError(
            f"--robot {options.robot} needs --port, such as --port /dev/ttyACM0; without a robot, use --robot twin"
        )
    with _serial(options.port, options, frame, frame.plan.cameras, watch, needs_imu=needs_imu) as opened:
        yield opened


@contextlib.contextmanager
def _serial(
    port: str, options: RobotOptions, frame: Opened, attached: Mapping[str, str], watch: Watch, *, needs_imu: bool
) -> Iterator[Opened]:
    """The one path to every robot behind a serial port, the twin's as the machine's."""
    with contextlib.ExitStack() as stack:
        cameras = {
            name: stack.enter_context(told_camera(name, _camera(name, source, frame)))
            for name, source in camera_sources(options.camera, attached).items()
        }
        rates = partial(delivered, cameras, _counts(cameras), time.monotonic())
        wiring = Wiring(frame.spec, port, cameras, frame.calibration, needs_imu, watch)
        robot = stack.enter_context(frame.body.real(wiring))
        stops, cause = lambda: robot.gate_stops, lambda: robot.gate.cause
        hands = replace(frame, rearm=robot.rearm, stop=robot.stop, machine=robot)
        yield replace(hands, robot=robot, gate_stops=stops, stopped=cause, camera_rates=rates)


def delivered(cameras: Mapping[str, CameraProcess], before: Mapping[str, int], since: float) -> dict[str, float]:
    """How many pictures a second each camera has delivered since a time [s], when so many had been; nothing as long as
    that was less than a second ago [Hz].
    """
    passed = time.monotonic() - since
    if passed < 1.0:
        return {}
    return {name: (count - before[name]) / passed for name, count in _counts(cameras).items()}


def _counts(cameras: Mapping[str, CameraProcess]) -> dict[str, int]:
    return {name: camera.status.frames for name, camera in cameras.items()}


@contextlib.contextmanager
def told_camera(name: str, camera: CameraProcess) -> Iterator[CameraProcess]:
    """The camera, opened; what is done to pictures of another size than its spec's is said."""
    with camera as opened:
        if note := opened.status.message:
            console.print(f"camera {name}: {note}", style="yellow", highlight=False, markup=False, soft_wrap=True)
        yield opened


def camera_sources(asked: Sequence[str], attached: Mapping[str, str]) -> dict[str, str]:
    """Sources by name: `on` stands for all that are attached, NAME=SOURCE adds or replaces one."""
    sources: dict[str, str] = {}
    for item in asked:
        name, sign, source = item.partition("=")
        if item == "on":
            sources |= attached
        elif sign and name and source:
            sources[name] = source
        else:
            raise CameraError(f"--camera {shown(item)!r} is neither `on` nor NAME=SOURCE, such as head=/dev/video0")
    return sources


def _camera(name: str, source: str, frame: Opened) -> CameraProcess:
    process = frame.plan.processes.camera
    spec = frame.spec.cameras.get(name)
    if spec is None:
        known = sorted(frame.spec.cameras)
        raise CameraError(f"{frame.spec.name} has no camera {name!r}; its spec names {known}")
    if process is None:
        raise CameraError("the plan runs no camera process; add `camera` under its processes")
    return open_camera(source, replace_struct(spec, rate=min(spec.rate, process.rate)), nice=process.nice)
