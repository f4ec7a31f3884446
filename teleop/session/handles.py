"""What a recording session needs of an opened robot and an opened policy, and why either stopped the robot."""

from collections.abc import Callable
from typing import Protocol

from leash_robot.robot.bodies.registry import Body, Machine
from leash_robot.robot.spec import Spec
from leash_robot.robot.standing import OpenedRobot


class SessionRobot(OpenedRobot, Protocol):
    """An opened robot."""

    @property
    def spec(self) -> Spec:
        """The description of the robot."""
        ...

    @property
    def gate_stops(self) -> Callable[[], int]:
        """How often the gate stopped the robot since it was opened."""
        ...

    @property
    def stopped(self) -> Callable[[], str]:
        """Why the gate holds the robot stopped; empty while it does not."""
        ...

    @property
    def machine(self) -> Machine | None:
        """The same robot where it is behind a safety gate."""
        ...

    @property
    def body(self) -> Body:
        """The registry's entry of the robot."""
        ...


class SessionPolicy(Protocol):
    """An opened policy."""

    @property
    def trouble(self) -> str:
        """Why the policy did not decide at the last tick, in one line; empty when it did."""
        ...

    @property
    def given_up(self) -> bool:
        """Whether it asks for a soft stop until its reset."""
        ...

    @property
    def answering(self) -> tuple[float, float]:
        """Time that its server's last answer took [s], and the share that came too late; NaN without a server."""
        ...


def stop_cause(opened: SessionRobot, policy: SessionPolicy) -> str:
    """Why the policy or the gate stopped the robot, in one line; empty when neither did."""
    return combined_cause(opened.stopped(), policy.trouble, given_up=policy.given_up)


def combined_cause(gate: str, trouble: str, *, given_up: bool) -> str:
    """Why the robot was stopped, given what the gate says and what kept the policy from deciding."""
    if given_up:
        return trouble
    return f"{gate}; {trouble}" if gate and trouble else gate
