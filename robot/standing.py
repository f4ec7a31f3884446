"""Standing a robot up: a simulated one at once, a machine only as far as a person agrees."""

from collections.abc import Callable
from typing import Protocol

from leash_robot.robot.errors import GateLatched, RearmRefused, Stopped
from leash_robot.robot.types import Robot

Agree = Callable[[str], bool]
"""Asks a person whether to go on after a stop, given its cause."""

TRIES = 5
"""On a busy computer the gate may stop a robot that stands up; a simulated one is tried this often."""

ASKEW = 0.05
"""A simulated robot that leans more than this is set upright before it stands up [rad]."""


class TruePose(Protocol):
    """What a simulator knows of a body's pose."""

    @property
    def tilt(self) -> float:
        """Angle between the body's up and the world's [rad]."""
        ...

    @property
    def fallen(self) -> bool:
        """Whether the body lies on the floor."""
        ...


class PlacementHandle(Protocol):
    """Ground truth of a simulated robot, and the hands of a person beside it."""

    def truth(self) -> TruePose:
        """The true pose now."""
        ...

    def place(self) -> None:
        """Put the robot upright on the floor, at rest."""
        ...


class OpenedRobot(Protocol):
    """An opened robot, with what can be done for it beside the loop."""

    @property
    def robot(self) -> Robot:
        """The robot itself."""
        ...

    @property
    def simulator(self) -> PlacementHandle | None:
        """The simulator's handle; None for a machine."""
        ...

    @property
    def rearm(self) -> Callable[[], None]:
        """A person's consent to go on after a stop; `robot.reset` then stands the robot up."""
        ...


def fallen(opened: OpenedRobot) -> bool:
    """Whether a simulated robot lies on the floor."""
    return opened.simulator is not None and opened.simulator.truth().fallen


def nobody(_: str) -> bool:
    """An `Agree` where nobody is asked."""
    return False


def stand(opened: OpenedRobot, agree: Agree = nobody, report: Callable[[str], object] = lambda cause: None) -> None:
    """Stand a robot up. A simulated one is set on its feet first, and tried again, and `report` receives why; a machine
    that the gate stopped, or stops, stays stopped until a person agrees to go on. Raises GateLatched and RearmRefused.
    """
    tried = 0
    while True:
        tried += 1
        if opened.simulator is not None:
            place(opened.simulator)
            opened.rearm()
        try:
            opened.robot.reset()
        except Stopped:
            raise
        except (GateLatched, RearmRefused) as error:
            cause = str(error)
        else:
            return
        if opened.simulator is not None and tried < TRIES:
            report(cause)
        elif opened.simulator is not None or not agree(cause):
            raise GateLatched(cause if "start again" in cause else f"{cause}; see to the robot, then start again")
        opened.rearm()


def place(simulator: PlacementHandle) -> None:
    """Set a simulated robot upright where it leans, as a person would before they re-arm."""
    if simulator.truth().tilt > ASKEW or simulator.truth().fallen:
        simulator.place()
