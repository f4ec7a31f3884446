"""A machine that is being calibrated: how to open it, what is known of it, and how the result is kept."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

from msgspec.structs import replace

from leash_robot.calibration.guide import Guide
from leash_robot.calibration.measurement import Instrument, MeasurementBench
from leash_robot.calibration.store import Store, refuse_foreign
from leash_robot.robot.calibration import Calibration
from leash_robot.robot.spec import Spec

Opener = Callable[[Spec, Calibration], AbstractContextManager[Instrument]]
"""Opens the machine with other gains, limits or poses than usual; leaving the block makes it safe."""
Found = tuple[Calibration, dict[str, float]]
"""The machine's calibration with what was found, and figures for people."""


@dataclass(frozen=True)
class CalibrationSession:
    """What every procedure needs."""

    spec: Spec
    given: Calibration
    """What is known of the machine; it is opened with this."""
    open: Opener
    say: Callable[[str], None] = lambda _: None
    """Tells a person what happens."""

    def bench(self, robot: Instrument) -> MeasurementBench:
        """A bench around the opened machine."""
        return MeasurementBench(robot, self.given, self.say)


@dataclass(frozen=True)
class Procedure:
    """One calibration of a machine."""

    preparation: str
    """What a person must do before it."""
    run: Callable[[CalibrationSession], Found]
    """Raises CalibrationError; then nothing is kept."""


@dataclass(frozen=True)
class AttendedMachine:
    """A machine whose stop a person has at hand."""

    open: Opener
    say: Callable[[str], None]
    check: Callable[[], None]
    """Raises Stopped once the person stopped the machine."""


def calibrate(
    procedure: Procedure,
    store: Store,
    serial: str,
    guide: Guide,
    attend: Callable[[], AbstractContextManager[AttendedMachine]],
    *,
    ask: bool,
) -> tuple[Path, dict[str, float]]:
    """Run a procedure on the machine with this serial number and keep what it found as the next version in the store.

    `ask` waits until a person has prepared the machine; `attend` then makes it ready to be opened. Returns the new file
    and the figures. Raises CalibrationError before anything moves where the store cannot be written or belongs to
    another machine.
    """
    store.check_writable()
    given = store.newest() or Calibration.identity(store.spec)
    refuse_foreign(given, serial, store.folder, store.spec)
    if ask:
        guide.ask(procedure.preparation)
    with attend() as machine:
        machine.say("opening the robot")
        found, figures = procedure.run(CalibrationSession(store.spec, given, machine.open, machine.say))
        machine.check()
    return store.save(replace(found, serial=serial)), figures
