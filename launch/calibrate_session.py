"""What the procedures of `leash calibrate` share: options, the machine, guidance, and keeping the result."""

import contextlib
import functools
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import tyro
from msgspec import Meta
from msgspec.structs import replace
from rich.prompt import Confirm

from calibration.sitting import Sitting
from launch.calibrate_dynamics import write_dynamics
from launch.calibration_store import refuse_foreign, serial_number, store_of
from launch.deploy import terminable
from launch.output import console, emit
from launch.priority import first_in_line
from robot.calibration import Calibration, load_calibration
from robot.errors import PortError, UsageError
from robot.pupper import Pupper
from robot.spec import Spec, load_spec

NICE = -10
"""As the control loop."""
Name = Annotated[str, Meta(pattern=r"^[A-Za-z0-9_.-]*$", max_length=60)]
Procedure = Callable[[Sitting], tuple[Calibration, dict[str, float]]]


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
    dynamics: Path | None = None
    """YAML with the errors, masses, friction and latencies of the twin."""
    seed: int = 0
    """Seed of the twin's noise."""
    yes: bool = False
    """Ask nothing; for scripts. You have seen to the robot yourself."""
    json: bool = False
    """Print one JSON object on the last line."""


def calibrate(options: MachineOptions, preparation: str, procedure: Procedure) -> int:
    """Run a procedure on a machine and keep what it found as the machine's next version."""
    spec = load_spec()
    with terminable(), _port(options) as port:
        serial = serial_number(port)
        store = store_of(options.store, options.machine, options.robot, port, spec)
        given = store.newest() or Calibration.identity(spec)
        refuse_foreign(given, serial, store.folder, spec)
        if options.robot == "pupper" and not options.yes:
            _ask(preparation)
        with first_in_line(NICE), console.status("opening the robot") as status:
            found, figures = procedure(Sitting(spec, given, functools.partial(_open, port), status.update))
    path = store.save(replace(found, serial=serial))
    if found.motors:
        write_dynamics(load_calibration(path, spec), path)
    _tell(path, figures, options)
    return 0


def _open(port: str, spec: Spec, calibration: Calibration) -> Pupper:
    return Pupper(spec, port, calibration=calibration)


def _tell(path: Path, figures: dict[str, float], options: MachineOptions) -> None:
    for name, value in figures.items():
        console.print(f"{name:<24}{value:.4g}", highlight=False)
    console.print(f"written to {path}", highlight=False)
    if options.json:
        result: dict[str, Any] = {"calibration": str(path), "hash": path.stem.partition("-")[2], **figures}
        emit(result)


@contextlib.contextmanager
def _port(options: MachineOptions) -> Iterator[str]:
    """The serial port of the machine; a twin runs for as long as the block lasts."""
    if options.robot == "pupper":
        if options.dynamics or options.seed:
            raise UsageError("--dynamics and --seed mean nothing to --robot pupper; leave them out")
        if options.port is None:
            raise PortError("--robot pupper needs --port, such as --port /dev/ttyACM0; try it first with --robot twin")
        yield options.port
        return
    from sim.twin import TwinConfig, TwinProcess

    if options.port is not None:
        raise UsageError("--port means nothing to --robot twin; leave one of them out")
    with TwinProcess(TwinConfig(dynamics=options.dynamics, seed=options.seed)) as twin:
        yield twin.port


def _ask(preparation: str) -> None:
    """A person's consent. Raises UsageError where nobody can give it."""
    console.print(preparation)
    if not sys.stdin.isatty():
        raise UsageError("nobody is there to say that the robot is ready; see to it, then give --yes")
    if not Confirm.ask("Ready?", console=console, default=False):
        raise UsageError("not ready; nothing was moved")


def parse(title: str, args: list[str]) -> MachineOptions:
    """The options of one procedure."""
    from launch.checked import checked

    return checked(tyro.cli(MachineOptions, prog=f"leash calibrate {title}", args=args))
