"""Standing a robot up for a measurement: a simulated one without ado, a machine only as far as a person agrees."""

import itertools
from collections.abc import Callable

from leash_robot.launch.composition.robots import Opened, Referee
from leash_robot.launch.reporting.output import console
from leash_robot.robot.errors import GateLatched, RearmRefused, Stopped

Agree = Callable[[str], bool]
"""Asks a person whether to go on after a stop, whose cause it is told."""

TRIES = 5
"""On a busy computer the gate may stop a robot that stands up; a simulated one is tried so often."""

ASKEW = 0.05
"""A simulated robot that leans more than this is set upright before it stands up [rad]."""


def fallen(opened: Opened) -> bool:
    """Whether a simulated robot lies on the floor."""
    return opened.referee is not None and opened.referee.truth().fallen


def nobody(_: str) -> bool:
    """An `Agree` where nobody is asked."""
    return False


def stand(opened: Opened, agree: Agree = nobody) -> None:
    """Stand a robot up. A simulated one is set on its feet first, and tried again; a machine that the gate stopped, or
    stops, stays stopped until a person agrees to go on. Raises GateLatched and RearmRefused.
    """
    for tried in itertools.count(1):
        if opened.referee is not None:
            place(opened.referee)
            opened.rearm()
        try:
            opened.robot.reset()
        except Stopped:
            raise
        except (GateLatched, RearmRefused) as error:
            cause = str(error)
        else:
            return
        if opened.referee is not None and tried < TRIES:
            console.print(cause, highlight=False)
        elif opened.referee is not None or not agree(cause):
            raise GateLatched(cause if "start again" in cause else f"{cause}; see to the robot, then start again")
        opened.rearm()


def place(referee: Referee) -> None:
    """Set a simulated robot upright where it leans, as a person would before they re-arm."""
    if referee.truth().tilt > ASKEW or referee.truth().fallen:
        referee.place()
