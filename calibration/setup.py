"""A machine to be calibrated, whichever it is: how to open it in a given setting, and what is known of it so far."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass

from leash_robot.calibration.measurement import Bench, Instrument
from leash_robot.robot.calibration import Calibration
from leash_robot.robot.spec import Spec


@dataclass(frozen=True)
class Sitting:
    """What every procedure needs."""

    spec: Spec
    given: Calibration
    """What is known of the machine; it is opened with this."""
    open: Callable[[Spec, Calibration], AbstractContextManager[Instrument]]
    """Open the machine with other gains, limits or poses than usual; leaving the block makes it safe."""
    say: Callable[[str], None] = lambda _: None
    """Tells a person what happens."""

    def bench(self, robot: Instrument) -> Bench:
        """A bench around the opened machine."""
        return Bench(robot, self.given, self.say)
