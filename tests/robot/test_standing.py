"""Standing a robot up: a simulated one is tried again, a machine only as far as a person agrees."""

from collections.abc import Callable
from dataclasses import dataclass, field

import pytest

from leash_robot.robot.errors import GateLatched, Stopped
from leash_robot.robot.fake import FakeRobot
from leash_robot.robot.lateness import Lateness
from leash_robot.robot.logs import Logs
from leash_robot.robot.spec import load_spec
from leash_robot.robot.standing import TRIES, fallen, nobody, stand

SPEC = load_spec()


@dataclass
class Pose:
    tilt: float = 0.0
    fallen: bool = False


@dataclass
class Simulator:
    pose: Pose = field(default_factory=Pose)
    placed: int = 0

    def truth(self) -> Pose:
        return self.pose

    def place(self) -> None:
        self.placed += 1


class Latching(FakeRobot):
    """Its gate stops it so many times."""

    def __init__(self, times: int, error: type[Exception] = GateLatched) -> None:
        super().__init__(SPEC)
        self.left, self.error = times, error

    def reset(self) -> None:
        if self.left:
            self.left -= 1
            raise self.error("no telemetry")
        super().reset()


@dataclass
class Opened:
    robot: Latching
    simulator: Simulator | None = None
    rearmed: int = 0

    @property
    def rearm(self) -> Callable[[], None]:
        def again() -> None:
            self.rearmed += 1

        return again


def test_a_machine_stays_stopped_until_a_person_agrees() -> None:
    opened = Opened(Latching(1))
    with pytest.raises(GateLatched, match="no telemetry; see to the robot, then start again"):
        stand(opened)
    assert opened.rearmed == 0 and not nobody("anything") and not fallen(opened)
    asked: list[str] = []

    def agree(cause: str) -> bool:
        asked.append(cause)
        return True

    opened = Opened(Latching(1))
    stand(opened, agree)
    assert (asked, opened.rearmed) == (["no telemetry"], 1)


def test_a_persons_stop_is_passed_on() -> None:
    with pytest.raises(Stopped):
        stand(Opened(Latching(1, Stopped)))


def test_a_simulated_robot_is_set_upright_where_it_leans_and_tried_again() -> None:
    said: list[str] = []
    opened = Opened(Latching(2), Simulator(Pose(tilt=0.3)))
    stand(opened, report=said.append)
    assert opened.simulator is not None and opened.simulator.placed == 3
    assert said == ["no telemetry"] * 2
    upright = Opened(Latching(0), Simulator())
    stand(upright)
    assert upright.simulator is not None and upright.simulator.placed == 0


def test_a_simulated_robot_is_given_up_after_so_many_tries() -> None:
    opened = Opened(Latching(TRIES), Simulator(Pose(fallen=True)))
    with pytest.raises(GateLatched):
        stand(opened)
    assert fallen(opened)


def test_logs_are_contexts_that_leave_their_owners_logs_alone() -> None:
    with Lateness(0.05) as lateness, Logs(lateness) as logs:
        assert isinstance(logs, Logs)
