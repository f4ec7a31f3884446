"""What the procedures of `leash calibrate` share: options, the opened machine, and printing."""

import contextlib
import functools
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

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
from leash_robot.launch.composition.plan import Plan, kind_of, load_plan
from leash_robot.launch.composition.robots import camera_sources, told_camera
from leash_robot.launch.options.bodies import BodyName, RobotName, body_of
from leash_robot.launch.options.checked import checked
from leash_robot.launch.options.parsing import parsed
from leash_robot.launch.options.shipped import DynamicsFile
from leash_robot.launch.reporting.output import console, emit
from leash_robot.robot.bodies.registry import DEFAULT, Body, Kind, Machine, Simulated, Wiring, load
from leash_robot.robot.calibration import Calibration, load_calibration
from leash_robot.robot.cameras.camera import open_camera
from leash_robot.robot.cameras.image import Eye
from leash_robot.robot.errors import CalibrationError, CameraError, GateLatched, PortError, UsageError
from leash_robot.robot.host.priority import first_in_line
from leash_robot.robot.spec import Spec
from leash_robot.sim.randomization.identified import write_dynamics
from leash_robot.teleop.brake import Brake

NICE = -10
"""As the control loop."""
Name = Annotated[str, Meta(pattern=r"^[A-Za-z0-9_.-]*$", max_length=60)]


@dataclass(frozen=True)
class MachineOptions:
    """Which machine is calibrated, and where its calibrations are kept."""

    robot: RobotName = "twin"
    """twin: a simulated machine behind a real serial line. real, or the name of a body such as pupper: the machine."""
    port: str | None = None
    """Serial port of the machine: /dev/ttyACM0, or the one that `leash twin` prints."""
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
    body: BodyName = DEFAULT
    """Which body is simulated, or is the machine."""
    guide: Annotated[GuideOptions, tyro.conf.OmitArgPrefixes] = field(default_factory=GuideOptions)

    @property
    def kind(self) -> Kind:
        """Whether it is the twin or the machine."""
        return kind_of(self.robot)

    @property
    def entry(self) -> Body:
        """The body in the registry. Raises UsageError for an unknown one, or for two."""
        return body_of(self.robot, self.body)

    def load_plan(self) -> Plan:
        """Which processes run. Raises SpecError."""
        return load_plan(self.robot, None, self.entry)


def procedure_of(options: MachineOptions, name: str) -> Procedure:
    """The body's procedure of this name. Raises CalibrationError for a body that has none."""
    known: Mapping[str, Procedure] = load(options.entry.calibration) if options.entry.calibration else {}
    if name not in known:
        raise CalibrationError(f"{options.entry.name} has no calibration of {name!r}; it has {sorted(known) or 'none'}")
    return known[name]


def calibrate(
    options: MachineOptions, procedure: Procedure, *, cameras: Sequence[str] = (), board: bool = False
) -> int:
    """Run a procedure on a machine, keep what it found as the machine's next version, and print the figures.

    `cameras` are opened beside the robot (NAME=SOURCE, or `on`); a twin's looks at a `board`.
    """
    spec = options.entry.load_spec()
    with (
        terminable(),
        guided(options.guide, options.store) as guide,
        _port(options, cameras=cameras, board=board) as (port, attached),
    ):
        store = store_of(options.store, options.machine, options.robot, port, spec)
        ask = not options.yes and (options.kind == "real" or options.guide.page)
        attend = functools.partial(_attended, options.entry, port, camera_sources(cameras, attached), guide)
        path, figures = run_calibration(procedure, store, serial_number(port), guide, attend, ask=ask)
    found = load_calibration(path, spec)
    if found.motors:
        write_dynamics(found, path)
    _print(path, figures, options)
    return 0


@contextlib.contextmanager
def _attended(body: Body, port: str, sources: Mapping[str, str], guide: OperatorGuide) -> Iterator[AttendedMachine]:
    """The machine with its cameras, and a person at terminal and page who can stop it."""
    with (
        _cameras(sources, body.load_spec()) as cameras,
        first_in_line(NICE),
        attended(guide.brake) as person,
        console.status("") as status,
    ):

        def say(text: str) -> None:
            status.update(text)
            guide.say(text)

        opener = functools.partial(_opened, body, port, cameras, person.brake)
        yield AttendedMachine(opener, say, person.brake.check)


@contextlib.contextmanager
def _opened(
    body: Body, port: str, cameras: Mapping[str, Eye], brake: Brake, spec: Spec, calibration: Calibration
) -> Iterator[Machine]:
    """The robot, until a person stops it; it lies down at the end.

    Raises GateLatched when it could not: the next step would open it, and let it stand up, without a person.
    """
    robot = body.real(Wiring(spec, port, cameras, calibration, watch=brake.watch))
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
    if options.kind == "real":
        if options.dynamics or options.seed is not None:
            raise UsageError(f"--dynamics and --seed mean nothing to --robot {options.robot}; leave them out")
        if options.port is None:
            raise PortError(
                f"--robot {options.robot} needs --port, such as --port /dev/ttyACM0; try it first with --robot twin"
            )
        yield options.port, options.load_plan().cameras
        return
    if options.kind == "sim":
        raise UsageError("calibration takes a serial line, which --robot sim has not; use --robot twin")
    if options.port is not None:
        raise UsageError("--port means nothing to --robot twin; leave one of them out")
    with tempfile.TemporaryDirectory(prefix="leash-") as folder:
        picture = _printed(Path(folder)) if board else None
        spec = options.entry.load_spec()
        how = Simulated(spec, options.dynamics, options.seed or 0, camera=bool(cameras), board=picture)
        with options.entry.twin(how) as twin:
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
