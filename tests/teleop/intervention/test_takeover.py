"""One press, and the person drives; and back."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from leash_robot.policies.hierarchical import Helm, Steered
from leash_robot.policies.scripted.gait import Trot
from leash_robot.robot.clock import VirtualClock
from leash_robot.robot.fake import FakeRobot
from leash_robot.robot.loop import run
from leash_robot.robot.spec import load_spec
from leash_robot.robot.types import Action, Array, Observation, Source, Tick, unknown
from leash_robot.teleop.drive import Drive
from leash_robot.teleop.intervention.blend import Blend
from leash_robot.teleop.intervention.call_for_help import Limits
from leash_robot.teleop.intervention.takeover import Takeover, TakeoverConfig, TakeoverStatus
from leash_robot.teleop.operator import ARMING, LOST, STALE, Event, Intent
from leash_robot.teleop.scripted_operator import Scripted, Segment

SPEC = load_spec()
REST = 2 * ARMING
SLEW = Blend().slew * SPEC.period


class Wave:
    """A policy whose joints swing; counts its resets, and can be made to doubt, to hold, or to think for a while."""

    def __init__(self, swing: float = 0.3, risk: float = float("nan"), source: Source = "policy") -> None:
        self.swing, self.risk, self.source = swing, risk, source
        self.resets = self.ticks = 0

    def reset(self) -> None:
        self.resets += 1
        self.ticks = 0

    def act(self, obs: Observation) -> Action:
        self.ticks += 1
        target = SPEC.stand + self.swing * np.sin(0.4 * self.ticks)
        return Action(target, np.array([0.2, 0.0, 0.0]), self.source, self.risk)


@dataclass
class Seen:
    """What a run left: ticks, and the status after each."""

    ticks: list[Tick]
    status: list[TakeoverStatus]

    def __enter__(self) -> "Seen":
        return self

    def __exit__(self, *exc: object) -> None:
        return None

    def add(self, tick: Tick) -> None:
        self.ticks.append(tick)

    @property
    def sources(self) -> list[str]:
        """Who decided, without repetitions."""
        seen: list[str] = [tick.sent.source for tick in self.ticks]
        return [source for index, source in enumerate(seen) if index == 0 or source != seen[index - 1]]

    @property
    def modes(self) -> list[str]:
        seen: list[str] = [status.mode for status in self.status]
        return [mode for index, mode in enumerate(seen) if index == 0 or mode != seen[index - 1]]


def watched(
    script: Sequence[Segment],
    policy: Wave | None = None,
    config: TakeoverConfig | None = None,
    seconds: float = 4.0,
    expert: Wave | None = None,
) -> Seen:
    """A scripted person watches a policy on a robot without a body."""
    takeover = Takeover(policy or Wave(), Drive(Scripted(script), Trot(SPEC)), SPEC, config, expert)
    seen = Seen([], [])

    def note(tick: Tick) -> bool:
        seen.status.append(takeover.status)
        return False

    with FakeRobot(SPEC) as robot:
        robot.reset()
        run(robot, takeover, seen, ticks=round(seconds * SPEC.rate), done=note)
    return seen


AWAY = Segment(0.8, engaged=False)
HELD = Segment(1.0, vx=0.2)
BACK = Segment(1.0, events=(Event.HANDBACK,), engaged=False)


def test_a_press_gives_the_person_authority_at_the_tick_that_sees_it() -> None:
    seen = watched([AWAY, HELD])
    first = next(index for index, tick in enumerate(seen.ticks) if tick.sent.source == "human")
    assert seen.ticks[first].obs.time == pytest.approx(REST + AWAY.seconds, abs=SPEC.period)
    assert {tick.sent.source for tick in seen.ticks[:first]} == {"policy"}


def test_letting_go_stops_and_holds_and_only_a_hand_back_returns_to_the_policy() -> None:
    assert watched([AWAY, HELD, Segment(3.0, engaged=False)], seconds=6.0).sources == ["policy", "human", "hold"]
    assert watched([AWAY, HELD, BACK]).sources == ["policy", "human", "policy"]
    later = [AWAY, HELD, Segment(2.0, engaged=False), BACK]
    assert watched(later, seconds=6.0).modes == ["policy", "human", "hold", "policy"]


def test_letting_go_hands_back_where_that_is_configured() -> None:
    seen = watched([AWAY, HELD, Segment(1.0, engaged=False)], config=TakeoverConfig(release=True))
    assert seen.sources == ["policy", "human", "policy"]
    assert seen.status[-1].ended == "released"


def test_the_policy_starts_afresh_when_it_gets_the_authority_back_and_runs_on_until_then() -> None:
    policy = Wave()
    seen = watched([AWAY, HELD, BACK], policy)
    assert policy.resets == 2
    assert all(tick.policy is not None and tick.policy.source == "policy" for tick in seen.ticks)
    back = max(index for index, tick in enumerate(seen.ticks) if tick.sent.source == "human") + 1
    afresh = seen.ticks[back].policy
    assert afresh is not None
    assert np.array_equal(afresh.joint_pos, SPEC.stand + 0.3 * np.sin(0.4))


def test_both_proposals_are_recorded_while_the_person_drives_and_only_the_policys_otherwise() -> None:
    seen = watched([AWAY, HELD, BACK])
    for tick in seen.ticks:
        assert (tick.human is not None) == (tick.sent.source == "human")
    fading = next(tick for tick in seen.ticks if tick.sent.source == "human")
    assert fading.human is not None
    assert not np.array_equal(fading.human.joint_pos, fading.wanted.joint_pos)
    assert fading.wanted.command[0] == fading.human.command[0]


@settings(max_examples=25)
@given(
    st.lists(st.floats(0.1, 0.9), min_size=4, max_size=10),
    st.floats(-0.2, 0.25),
    st.floats(-1.0, 1.0),
    st.floats(0.1, 0.6),
)
def test_no_hand_over_jumps_further_than_the_slew_limit(
    lengths: list[float], vx: float, wz: float, swing: float
) -> None:
    script = [AWAY]
    for length in lengths:
        script += [Segment(length, vx, 0.0, wz), Segment(length, events=(Event.HANDBACK,), engaged=False)]
    seen = watched(script, Wave(swing), seconds=2 * sum(lengths) + 2.0)
    sent = np.array([SPEC.stand, *(tick.sent.joint_pos for tick in seen.ticks)])
    jumps = np.abs(np.diff(sent, axis=0)).max(axis=1)
    sources = ["policy", *(tick.sent.source for tick in seen.ticks)]
    for index, jump in enumerate(jumps):
        if len(set(sources[max(0, index - 4) : index + 2])) > 1:
            assert jump <= SLEW + 1e-9


def test_the_person_gets_where_they_want_when_the_blend_is_over() -> None:
    seen = watched([AWAY, HELD])
    human = [tick for tick in seen.ticks if tick.sent.source == "human"]
    for tick in human[8:]:
        assert tick.human is not None
        assert np.array_equal(tick.wanted.joint_pos, tick.human.joint_pos)


def test_a_takeover_without_holding_the_dead_man_puts_the_feet_down_and_holds() -> None:
    seen = watched([AWAY, Segment(2.0, events=(Event.TAKEOVER,), engaged=False)], Wave(0.5), seconds=3.0)
    assert seen.sources == ["policy", "human", "hold"]
    assert seen.ticks[-1].sent.joint_pos == pytest.approx(SPEC.stand, abs=1e-3)


def test_a_hand_back_while_the_dead_man_is_held_changes_nothing() -> None:
    seen = watched([AWAY, HELD, replace(HELD, events=(Event.HANDBACK,)), BACK], seconds=5.0)
    assert seen.sources == ["policy", "human", "policy"]
    assert seen.status[-1].takeover_id == 1


@pytest.mark.parametrize("released", [False, True])
def test_a_lost_operator_is_replaced_by_a_soft_stop_and_never_by_the_policy(released: bool) -> None:
    before = [HELD, Segment(1.5, engaged=False)] if released else [HELD]
    seen = watched([AWAY, *before, replace(HELD, seconds=3.0, alive=False), BACK], seconds=8.0)
    assert seen.sources == ["policy", "human", "hold", "safety"]
    stop = next(tick for tick in seen.ticks if tick.sent.source == "safety")
    alive = REST + AWAY.seconds + sum(segment.seconds for segment in before) - SPEC.period
    assert stop.obs.time - alive == pytest.approx(LOST + SPEC.period, abs=1.1 * SPEC.period)
    assert (seen.status[-1].ended, seen.status[-1].mode) == ("operator_lost", "safety")


def test_a_silent_operator_has_let_go_and_the_robot_stands_before_it_is_stopped() -> None:
    seen = watched([AWAY, HELD, replace(HELD, seconds=3.0, alive=False)], seconds=6.0)
    alive = REST + AWAY.seconds + HELD.seconds - SPEC.period
    after = [tick for tick in seen.ticks if tick.obs.time > alive + STALE + 1.1 * SPEC.period]
    silent = [tick for tick in after if tick.sent.source != "safety"]
    assert len(silent) * SPEC.period == pytest.approx(LOST - STALE, abs=3 * SPEC.period)
    assert not any(tick.sent.command.any() for tick in silent)
    assert silent[-1].sent.joint_pos == pytest.approx(SPEC.stand, abs=1e-3)


def test_an_operator_who_comes_back_in_time_goes_on_driving_after_a_rest() -> None:
    gap = replace(HELD, seconds=0.6, alive=False)
    seen = watched([AWAY, HELD, gap, HELD, Segment(0.5, engaged=False), replace(HELD, seconds=9.0)], seconds=6.0)
    assert {tick.sent.source for tick in seen.ticks} == {"policy", "human", "hold"}
    back = REST + AWAY.seconds + HELD.seconds + gap.seconds
    rested = back + HELD.seconds + 0.5
    between = [tick for tick in seen.ticks if back <= tick.obs.time < rested]
    assert not any(tick.sent.command.any() for tick in between)
    assert seen.ticks[-1].sent.command[0] == pytest.approx(0.2)
    assert seen.status[-1].taken


def test_an_operator_who_is_lost_while_only_watching_changes_nothing() -> None:
    assert watched([AWAY, Segment(2.0, engaged=False, alive=False)]).sources == ["policy"]


@settings(max_examples=40)
@given(
    st.lists(
        st.tuples(
            st.sampled_from([(), (Event.TAKEOVER,), (Event.HANDBACK,), (Event.START,), (Event.REARM,), (Event.ESTOP,)]),
            st.booleans(),
        ),
        min_size=1,
        max_size=20,
    )
)
def test_one_e_stop_wins_over_everything_that_follows(asked: list[tuple[tuple[Event, ...], bool]]) -> None:
    script = [AWAY, *(Segment(0.15, vx=0.2, events=events, engaged=engaged) for events, engaged in asked)]
    seen = watched(script)
    stopped = False
    for tick, status in zip(seen.ticks, seen.status, strict=True):
        stopped = stopped or tick.sent.source == "safety"
        assert (tick.wanted.source == "safety") == stopped == (status.mode == "safety")
    assert stopped == any(Event.ESTOP in events for events, _ in asked)


def test_after_a_stop_a_reset_begins_where_it_is_configured_to() -> None:
    for begin in ("policy", "nobody"):
        human = Drive(Scripted([]), Trot(SPEC))
        takeover = Takeover(Wave(), human, SPEC, TakeoverConfig(begin=begin))
        with FakeRobot(SPEC) as robot:
            robot.reset()
            takeover.reset()
            human.stop()
            assert takeover.act(robot.observe()).source == "safety"
            human.rearm()
            takeover.reset()
            assert takeover.act(robot.observe()).source == ("policy" if begin == "policy" else "hold")


def test_nobody_drives_until_the_start_and_a_person_may_before_it() -> None:
    script = [AWAY, HELD, Segment(1.5, engaged=False), Segment(1.0, events=(Event.START,), engaged=False)]
    seen = watched(script, config=TakeoverConfig(begin="nobody"), seconds=6.0)
    assert seen.modes == ["hold", "human", "hold", "policy"]
    assert seen.status[-1].takeover_id == 0


def test_whoever_ends_an_episode_makes_the_robot_stand() -> None:
    takeover = Takeover(Wave(0.5), Drive(Scripted([]), Trot(SPEC)), SPEC)
    seen = Seen([], [])
    with FakeRobot(SPEC) as robot:
        robot.reset()
        run(robot, takeover, seen, ticks=10)
        for _ in range(30):
            takeover.hold()
            obs = robot.observe()
            seen.add(Tick(obs, wanted := takeover.act(obs), robot.send(wanted)))
    assert seen.sources == ["policy", "human", "hold"]
    assert (takeover.status.mode, takeover.driver) == ("hold", "nobody")
    assert seen.ticks[-1].sent.joint_pos == pytest.approx(SPEC.stand, abs=1e-3)


def test_takeovers_are_numbered_and_say_why_they_began_and_ended() -> None:
    doubting = Wave(risk=0.8)
    seen = watched([AWAY, HELD, BACK, HELD, Segment(0.5, engaged=False, events=(Event.ESTOP,))], doubting, seconds=6.0)
    rows = {(status.takeover_id, status.reason, status.ended) for status in seen.status if status.takeover_id}
    assert rows == {(1, "risk", ""), (1, "risk", "handback"), (2, "risk", ""), (2, "risk", "stopped")}
    calm = watched([AWAY, HELD])
    assert calm.status[-1].reason == "person"
    assert calm.status[-1].taken


def test_a_doubting_policy_asks_for_help_in_words() -> None:
    seen = watched([AWAY], Wave(risk=0.8))
    assert [bool(status.request) for status in seen.status[:4]] == [False, False, True, True]
    assert "risk 0.80" in seen.status[-1].request


def test_an_expert_is_recorded_and_compared_with_but_never_obeyed() -> None:
    config = TakeoverConfig(limits=Limits(discrepancy=0.1))
    seen = watched([AWAY], Wave(0.1), config, expert=Wave(0.5))
    assert seen.sources == ["policy"]
    assert all(tick.human is not None and tick.human.source == "human" for tick in seen.ticks)
    assert any("away from the expert" in status.request for status in seen.status)
    assert watched([AWAY], Wave(0.1), config, expert=Wave(0.1)).status[-1].request == ""


def test_a_policy_that_misses_an_answer_goes_on_without_a_jump() -> None:
    policy = Wave(0.5)
    takeover = Takeover(policy, Drive(Scripted([]), Trot(SPEC)), SPEC)
    seen = Seen([], [])
    with FakeRobot(SPEC) as robot:
        robot.reset()
        takeover.reset()
        for tick in range(20):
            policy.source = "hold" if 5 <= tick < 8 else "policy"
            obs = robot.observe()
            seen.add(Tick(obs, wanted := takeover.act(obs), robot.send(wanted)))
            assert takeover.status.mode == "policy"
    assert seen.sources == ["policy", "hold", "policy"]
    sent = np.array([tick.sent.joint_pos for tick in seen.ticks])
    assert np.abs(np.diff(sent, axis=0)[7]).max() < np.abs(sent[7] - policy_target(9)).max()


def policy_target(ticks: int) -> Array:
    target: Array = SPEC.stand + 0.5 * np.sin(0.4 * ticks)
    return target


def test_a_hand_over_goes_on_from_what_really_went_out() -> None:
    human = Drive(Scripted([AWAY, HELD]), Trot(SPEC))
    takeover = Takeover(Wave(0.5), human, SPEC)
    held = SPEC.stand - 1.0
    with FakeRobot(SPEC) as robot:
        robot.reset()
        takeover.reset()
        while (action := takeover.act(obs := robot.observe())).source == "policy":
            takeover.add(Tick(obs, action, Action(held, source="hold")))
            robot.send(action)
    assert np.abs(action.joint_pos - held).max() <= SLEW + 1e-9


def test_a_policy_that_asks_for_a_soft_stop_gets_it_unless_the_person_drives() -> None:
    assert watched([AWAY], Wave(source="safety")).sources == ["safety"]
    seen = watched([Segment(2.0, vx=0.2)], Wave(source="safety"), TakeoverConfig(begin="nobody"), seconds=2.0)
    assert seen.sources == ["hold", "human"]


def test_a_target_that_is_none_is_left_to_the_limits() -> None:
    class Broken(Wave):
        def act(self, obs: Observation) -> Action:
            return Action(unknown(len(SPEC.joints)))

    seen = watched([AWAY, HELD, BACK], Broken())
    assert seen.sources == ["hold", "human", "hold"]
    assert all(tick.wanted.source == "policy" for tick in seen.ticks if tick.sent.source == "hold")


def test_above_a_gait_the_body_velocity_is_blended() -> None:
    class Upper(Wave):
        def act(self, obs: Observation) -> Action:
            return Action(SPEC.stand.copy(), np.array([0.2, 0.0, 0.4]))

    config = TakeoverConfig(Blend(slew=np.inf), level="command")
    person = Drive(Scripted([AWAY, Segment(1.0, vx=0.1, wz=-0.4), BACK]), Helm(SPEC))
    seen = Seen([], [])
    with FakeRobot(SPEC) as robot:
        robot.reset()
        run(robot, Steered(Takeover(Upper(), person, SPEC, config), Trot(SPEC)), seen, ticks=80)
    assert seen.sources == ["policy", "human", "policy"]
    turns = np.array([tick.wanted.command[2] for tick in seen.ticks])
    assert np.abs(np.diff(turns[1:])).max() < 0.4
    assert turns.min() == pytest.approx(-0.4)
    assert turns[-1] == pytest.approx(0.4)


def test_a_press_counts_even_while_the_policy_thinks() -> None:
    clock = VirtualClock(5.0)

    class Slow(Wave):
        def act(self, obs: Observation) -> Action:
            clock.advance(0.04)
            return super().act(obs)

    class Presser:
        def __enter__(self) -> "Presser":
            return self

        def __exit__(self, *exc: object) -> None:
            return None

        def read(self, now: float) -> Intent:
            return Intent(now, engaged=now >= 6.03)

    takeover = Takeover(Slow(), Drive(Presser(), Trot(SPEC), clock=clock), SPEC)
    with FakeRobot(SPEC, clock) as robot:
        robot.reset()
        takeover.reset()
        while True:
            obs = robot.observe()
            if takeover.act(obs).source == "human":
                break
    assert obs.time == pytest.approx(6.0)
