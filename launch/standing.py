"""Standing a robot up for a measurement: a simulated one without ado, a machine only as far as a person agrees."""

from launch.output import console
from launch.robots import Opened, Referee
from robot.errors import GateLatched, RearmRefused, Stopped

TRIES = 5
"""On a busy computer the gate may stop a robot that stands up; a simulated one is tried so often."""

ASKEW = 0.05
"""A simulated robot that leans more than this is set upright before it stands up [rad]."""


def fallen(opened: Opened) -> bool:
    """Whether a simulated robot lies on the floor."""
    return opened.referee is not None and opened.referee.truth().fallen


def stand(opened: Opened) -> None:
    """Stand a robot up. A simulated one is set on its feet first, and tried again; a machine that the gate stopped, or
    stops, stays stopped. Raises GateLatched and RearmRefused.
    """
    for left in reversed(range(TRIES if opened.referee else 1)):
        if opened.referee is not None:
            place(opened.referee)
            opened.rearm()
        try:
            opened.robot.reset()
        except Stopped:
            raise
        except (GateLatched, RearmRefused) as error:
            if not left:
                raise
            console.print(f"{error}", highlight=False)
        else:
            return


def place(referee: Referee) -> None:
    """Set a simulated robot upright where it leans, as a person would before they re-arm."""
    if referee.truth().tilt > ASKEW or referee.truth().fallen:
        referee.place()
