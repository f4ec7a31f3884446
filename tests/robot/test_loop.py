"""The loop: observe, act, send, log, as often as asked."""

import numpy as np

from leash_robot.robot.fake import FakeRobot, NoLog
from leash_robot.robot.loop import forever, run
from leash_robot.robot.spec import load_spec
from leash_robot.robot.types import Action, Array, Observation, Tick, unknown

SPEC = load_spec()


class Counting:
    """A policy that moves one joint a little more each tick."""

    def __init__(self) -> None:
        self.resets = 0
        self.seen: list[Observation] = []

    def reset(self) -> None:
        self.resets += 1

    def act(self, obs: Observation) -> Action:
        self.seen.append(obs)
        return Action(SPEC.stand + 0.01 * len(self.seen))


class Keeping(NoLog):
    """A log that keeps its ticks."""

    def __init__(self) -> None:
        super().__init__()
        self.ticks: list[Tick] = []

    def add(self, tick: Tick) -> None:
        super().add(tick)
        self.ticks.append(tick)


def test_it_runs_as_many_ticks_as_asked_and_begins_with_a_reset() -> None:
    policy, log = Counting(), Keeping()
    with FakeRobot(SPEC) as robot:
        robot.reset()
        assert run(robot, policy, log, ticks=5) == 5
    assert (policy.resets, log.count) == (1, 5)


def test_no_ticks_are_no_ticks() -> None:
    with FakeRobot(SPEC) as robot:
        assert run(robot, Counting(), NoLog(), ticks=0) == 0


def test_it_ends_after_the_tick_that_is_done() -> None:
    log = Keeping()
    with FakeRobot(SPEC) as robot:
        assert run(robot, Counting(), log, done=lambda tick: log.count == 3) == 3
    assert not forever(log.ticks[0])


def test_a_tick_holds_what_was_seen_wanted_and_sent() -> None:
    policy, log = Counting(), Keeping()
    with FakeRobot(SPEC) as robot:
        robot.reset()
        run(robot, policy, log, ticks=2)
    first, second = log.ticks
    assert first.obs is policy.seen[0]
    assert np.array_equal(first.wanted.joint_pos, SPEC.stand + 0.01)
    assert np.array_equal(first.sent.joint_pos, second.obs.joint_pos)


def proposal(value: float) -> Array:
    return np.full(12, value)


def test_a_tick_tells_what_the_person_and_the_policy_proposed() -> None:
    obs = FakeRobot(SPEC).observe()
    human, policy = Action(proposal(1.0), source="human"), Action(proposal(2.0))
    decided = Action(proposal(1.0), source="human", human=human, policy=policy)
    both = Tick(obs, decided, decided)
    assert (both.human, both.policy) == (human, policy)
    alone = Tick(obs, policy, policy)
    assert (alone.human, alone.policy) == (None, policy)
    driven = Tick(obs, human, human)
    assert (driven.human, driven.policy) == (human, None)
    held = Action(proposal(0.0), source="hold")
    assert (Tick(obs, held, held).human, Tick(obs, held, held).policy) == (None, None)


def test_unknown_is_not_a_number() -> None:
    assert np.isnan(unknown(3)).all()
