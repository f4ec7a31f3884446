"""An upper policy decides where to, the gait below walks there."""

from dataclasses import dataclass, field, replace

import numpy as np
import pytest

from leash_robot.policies.hierarchical import Helm, Steered
from leash_robot.policies.scripted.gait import Trot
from leash_robot.robot.fake import FakeRobot, NoLog
from leash_robot.robot.loop import run
from leash_robot.robot.spec import load_spec
from leash_robot.robot.types import Action, Array, Observation, Source, unknown

SPEC = load_spec()


@dataclass
class Upper:
    """Always wants the same."""

    wish: Action
    resets: int = 0

    def reset(self) -> None:
        self.resets += 1

    def act(self, obs: Observation) -> Action:
        return self.wish


@dataclass
class Gait:
    """Notes what it was told."""

    source: Source = "policy"
    told: list[Array] = field(default_factory=list)
    resets: int = 0

    def reset(self) -> None:
        self.resets += 1

    def act(self, obs: Observation) -> Action:
        self.told.append(obs.command)
        return Action(np.full(12, 0.1), obs.command, self.source)


def wish(source: Source = "policy", command: tuple[float, float, float] = (0.2, 0.0, 0.3)) -> Action:
    return Action(SPEC.stand.copy(), np.array(command), source, risk=0.4)


def seen() -> Observation:
    with FakeRobot(SPEC) as robot:
        robot.reset()
        return robot.observe()


def test_the_gait_walks_at_the_command_and_the_upper_policy_answers_for_it() -> None:
    gait = Gait()
    action = Steered(Upper(wish("human")), gait).act(seen())
    assert gait.told[0].tolist() == [0.2, 0.0, 0.3]
    assert action.joint_pos.tolist() == [0.1] * 12
    assert (action.source, action.risk, action.command.tolist()) == ("human", 0.4, [0.2, 0.0, 0.3])


@pytest.mark.parametrize(
    "upper", [wish("hold"), wish("safety"), replace(wish(), command=unknown(3))], ids=["hold", "safety", "nothing"]
)
def test_where_nothing_is_asked_for_the_gait_is_told_to_stand(upper: Action) -> None:
    gait = Gait()
    action = Steered(Upper(upper), gait).act(seen())
    assert gait.told[0].tolist() == [0.0, 0.0, 0.0]
    assert action.source == upper.source


def test_a_gait_that_stops_is_not_overruled() -> None:
    assert Steered(Upper(wish()), Gait("safety")).act(seen()).source == "safety"


def test_only_the_proposal_that_was_walked_has_joint_targets() -> None:
    both = replace(wish("human"), human=wish("human"), policy=wish(command=(0.1, 0.0, 0.0)))
    action = Steered(Upper(both), Gait()).act(seen())
    assert action.human is not None and action.policy is not None
    assert action.human.joint_pos.tolist() == [0.1] * 12
    assert np.isnan(action.policy.joint_pos).all()
    assert action.policy.command.tolist() == [0.1, 0.0, 0.0]


def test_reset_reaches_both_levels() -> None:
    upper, gait = Upper(wish()), Gait()
    Steered(upper, gait).reset()
    assert (upper.resets, gait.resets) == (1, 1)


def test_a_helm_passes_the_command_on() -> None:
    obs = replace(seen(), command=np.array([0.1, 0.0, -0.2]))
    helm = Helm(SPEC)
    helm.reset()
    assert helm.act(obs).command.tolist() == [0.1, 0.0, -0.2]
    assert helm.act(obs).joint_pos.tolist() == SPEC.stand.tolist()


def test_a_trot_below_moves_the_legs() -> None:
    with FakeRobot(SPEC) as robot:
        robot.reset()
        log = NoLog()
        run(robot, Steered(Upper(wish()), Trot(SPEC)), log, ticks=20)
        moved = np.abs(robot.observe().joint_pos - SPEC.stand).max()
    assert log.count == 20
    assert moved > 0.05
