"""The operator that follows a script."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from leash_robot.robot.errors import OperatorError
from leash_robot.robot.types import Array
from leash_robot.teleop.operator import ARMING, Event, Guarded, Intent
from leash_robot.teleop.scripted_operator import Hand, Scripted, Segment, VelocityBox, demonstrations, wander

REST = 2 * ARMING
TICK = 0.05


def played(operator: Scripted, seconds: float, start: float = 100.0) -> list[Intent]:
    """Read at every tick; a hair after it, so that rounding does not decide which segment a tick belongs to."""
    first = operator.read(start)
    return [first, *(operator.read(start + tick * TICK + 1e-6) for tick in range(1, round(seconds / TICK) + 1))]


def speeds(intents: list[Intent]) -> Array:
    return np.array([intent.command for intent in intents])


def test_a_script_begins_at_the_first_read_after_a_rest() -> None:
    with Scripted([Segment(1.0, vx=0.2, wz=0.1)]) as operator:
        seen = played(operator, 2.0)
    begins = round(REST / TICK)
    assert [intent.engaged for intent in seen[: begins + 1]] == [False] * begins + [True]
    assert seen[begins + 1].command.tolist() == [0.2, 0.0, 0.1]
    assert not seen[-1].engaged


def test_the_rest_before_a_script_arms_the_dead_man() -> None:
    guarded = Guarded(Scripted([Segment(1.0, vx=0.2)]))
    seen = [guarded.read(tick * TICK) for tick in range(20)]
    assert seen[round(REST / TICK) + 1].engaged


def test_events_come_once_and_in_order_however_seldom_one_reads() -> None:
    script = [
        Segment(0.1, events=(Event.START,)),
        Segment(0.0, events=(Event.NOTE, Event.SUCCESS)),
        Segment(0.1, events=(Event.QUIT,)),
    ]
    events = (Event.START, Event.NOTE, Event.SUCCESS, Event.QUIT)
    often = Scripted(script)
    assert tuple(event for intent in played(often, 3.0) for event in intent.events) == events
    seldom = Scripted(script)
    seldom.read(0.0)
    assert seldom.read(50.0).events == events
    assert seldom.read(51.0).events == ()


def test_a_reaction_delays_everything() -> None:
    operator = Scripted([Segment(1.0, vx=0.2, events=(Event.START,))], Hand(reaction=0.25))
    seen = played(operator, 2.5)
    begins = round((REST + 0.25) / TICK)
    assert [index for index, intent in enumerate(seen) if intent.events] == [begins]
    assert operator.seconds == pytest.approx(REST + 1.25)


def test_a_script_knows_when_it_is_over() -> None:
    operator = Scripted([Segment(0.2)])
    assert not operator.finished
    operator.read(0.0)
    assert not operator.finished
    operator.read(REST + 0.3)
    assert operator.finished


def test_a_dead_device_repeats_itself_with_an_old_time() -> None:
    operator = Scripted([Segment(0.5, vx=0.2), Segment(0.5, alive=False, events=(Event.NOTE,)), Segment(0.5, vx=0.1)])
    seen = played(operator, REST + 1.5)
    dead = seen[round((REST + 0.5) / TICK) : round((REST + 1.0) / TICK)]
    assert {(intent.time, intent.engaged, intent.command[0]) for intent in dead} == {(dead[0].time, True, 0.2)}
    assert dead[0].time < 100.0 + REST + 0.5
    assert sum(intent.events == (Event.NOTE,) for intent in seen) == 1
    assert seen[-2].command[0] == 0.1


def test_a_blend_reaches_the_new_command_without_a_jump() -> None:
    hand = Hand(blend=0.5)
    seen = speeds(played(Scripted([Segment(1.0, vx=0.2), Segment(1.0, vx=-0.2)], hand), REST + 1.95))
    assert np.abs(np.diff(seen[:, 0])).max() < 0.2 * 2 * 1.6 * TICK / 0.5
    assert seen[round((REST + 0.9) / TICK), 0] == pytest.approx(0.2)
    assert seen[round((REST + 1.9) / TICK), 0] == pytest.approx(-0.2)


def test_noise_is_the_same_for_the_same_seed_and_other_for_another() -> None:
    def noisy(seed: int) -> Array:
        return speeds(played(Scripted([Segment(5.0, vx=0.2)], Hand(noise=0.2), seed), 5.0))

    assert np.array_equal(noisy(1), noisy(1))
    assert not np.array_equal(noisy(1), noisy(2))


def test_noise_has_the_deviation_that_was_asked_for() -> None:
    hand = Hand(noise=0.1, scale=(0.25, 0.08, 0.6))
    seen = speeds(played(Scripted([Segment(300.0, vx=0.2)], hand, 3), 300.0))[20:]
    assert seen.std(axis=0) == pytest.approx(0.1 * np.array([0.25, 0.08, 0.6]), rel=0.15)
    assert seen[:, 0].mean() == pytest.approx(0.2, abs=0.01)


def test_a_segment_cannot_last_less_than_nothing() -> None:
    with pytest.raises(OperatorError, match="less than 0 s"):
        Scripted([Segment(-1.0)])


@given(seed=st.integers(0, 1000), seconds=st.floats(0.1, 60))
def test_wandering_stays_in_the_box_and_takes_the_time_asked_for(seed: int, seconds: float) -> None:
    box = VelocityBox((-0.1, -0.05, -0.3), (0.2, 0.05, 0.4))
    script = wander(np.random.default_rng(seed), seconds, box)
    assert sum(segment.seconds for segment in script) == pytest.approx(seconds)
    for segment in script:
        assert np.all(np.array([segment.vx, segment.vy, segment.wz]) >= box.low)
        assert np.all(np.array([segment.vx, segment.vy, segment.wz]) <= box.high)


@given(seed=st.integers(0, 100))
def test_a_blended_wander_stays_in_the_box_too(seed: int) -> None:
    box = VelocityBox((0.0, -0.05, -0.3), (0.2, 0.05, 0.4))
    script = wander(np.random.default_rng(seed), 10.0, box)
    seen = speeds(played(Scripted(script, Hand(blend=0.4)), 11.0))
    assert np.all(seen >= np.array(box.low) - 1e-12)
    assert np.all(seen <= np.array(box.high) + 1e-12)


def test_demonstrations_start_and_succeed_as_often_as_asked() -> None:
    operator = Scripted(demonstrations(3, 2.0, seed=5))
    events = [event for intent in played(operator, operator.seconds + 1) for event in intent.events]
    assert events == [Event.START, Event.SUCCESS] * 3 + [Event.QUIT]
