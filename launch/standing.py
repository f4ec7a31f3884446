"""Setting a robot on its feet, for measurements with nobody beside them."""

from launch.output import console
from launch.robots import Opened
from robot.errors import GateLatched

TRIES = 5
"""On a busy machine the gate may stop a robot that stands up; it is tried so often."""


def fallen(opened: Opened) -> bool:
    """Whether a simulated robot lies on the floor."""
    return opened.referee is not None and opened.referee.truth().fallen


def stand(opened: Opened) -> None:
    """Set a robot that fell on its feet, and stand it up. Raises GateLatched when the gate will not have it."""
    for left in reversed(range(TRIES)):
        if opened.referee is not None and fallen(opened):
            opened.referee.place()
        opened.rearm()
        try:
            opened.robot.reset()
        except GateLatched as error:
            console.print(f"{error}", highlight=False)
            if not left:
                raise
        else:
            return
