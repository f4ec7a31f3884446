"""When a policy calls a person."""

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from leash_robot.robot.types import Action, Array, unknown
from leash_robot.teleop.intervention.call_for_help import (
    Doubts,
    Help,
    Limits,
    asked,
    command_gap,
    joint_gap,
    refit,
    tilt,
)

PERIOD = 0.05
LIMITS = Limits(risk=0.5, tilt=0.4, discrepancy=0.3, enter=3, leave=0.5)


def watched(doubts: list[Doubts], limits: Limits = LIMITS) -> list[Help]:
    states: list[Help] = []
    state = Help(limits)
    for tick, doubt in enumerate(doubts):
        state = state.after(doubt, 100.0 + tick * PERIOD)
        states.append(state)
    return states


def causes(doubts: list[Doubts], limits: Limits = LIMITS) -> list[str]:
    return [state.asking for state in watched(doubts, limits)]


def test_help_is_asked_after_a_few_doubtful_ticks_in_a_row() -> None:
    assert causes([Doubts(0.6)] * 4) == ["", "", "risk", "risk"]
    assert causes([Doubts(0.6), Doubts(0.6), Doubts(0.1)] * 3) == [""] * 9


def test_a_request_ends_half_a_second_after_the_last_doubt() -> None:
    seen = causes([Doubts(0.6)] * 3 + [Doubts(0.1)] * 12)
    assert seen[2:12] == ["risk"] * 10
    assert seen[12:] == [""] * 3


def test_a_flicker_neither_ends_a_request_nor_begins_another() -> None:
    seen = causes([Doubts(0.6)] * 3 + ([Doubts(0.1)] * 8 + [Doubts(0.6)]) * 3)
    assert set(seen[2:]) == {"risk"}


def test_what_is_not_known_is_no_reason() -> None:
    assert causes([Doubts()] * 5) == [""] * 5


@pytest.mark.parametrize(
    ("doubts", "cause", "words"),
    [
        (Doubts(0.6), "risk", "risk 0.60, over 0.50"),
        (Doubts(tilt=0.5), "tilt", "29 deg, over 23"),
        (Doubts(discrepancy=0.4), "discrepancy", "0.40 away from the expert, over 0.30"),
        (Doubts(0.9, 0.5, 0.4), "tilt", "tilts"),
    ],
)
def test_the_gravest_cause_is_named(doubts: Doubts, cause: str, words: str) -> None:
    state = watched([doubts] * 3)[-1]
    assert state.asking == cause
    assert words in state.request


def test_the_first_cause_stays_the_reason_of_its_request() -> None:
    assert causes([Doubts(0.6)] * 3 + [Doubts(0.6, tilt=0.5)] * 3)[-1] == "risk"


def test_the_default_limits_are_the_held_out_quantile_and_half_the_fall_limit() -> None:
    assert Limits().risk == 0.5
    assert math.degrees(Limits().tilt) == 22.5
    assert causes([Doubts(0.51, discrepancy=1e9)] * 3, Limits())[-1] == "risk"
    assert causes([Doubts(discrepancy=1e9)] * 3, Limits()) == [""] * 3


def test_tilt_is_the_angle_to_straight_down() -> None:
    assert tilt(np.array([0.0, 0.0, -1.0])) == 0.0
    assert tilt(np.array([math.sin(0.3), 0.0, -math.cos(0.3)])) == pytest.approx(0.3)
    assert tilt(np.array([0.0, 0.0, 2.0])) == pytest.approx(math.pi)
    assert math.isnan(tilt(unknown(3)))
    assert math.isnan(tilt(np.zeros(3)))


def test_proposals_differ_by_their_joints_or_by_their_commands() -> None:
    one = Action(np.zeros(4), np.array([0.3, 0.0, 0.0]))
    other = Action(np.array([0.2, -0.2, 0.2, -0.2]), np.zeros(3))
    assert joint_gap(one, other) == pytest.approx(0.2)
    assert command_gap(one, other) == pytest.approx(0.3 / math.sqrt(3))
    assert math.isnan(joint_gap(one, Action(np.zeros(3))))
    assert math.isnan(command_gap(one, Action(np.zeros(4))))


RISKS = st.lists(st.floats(0, 1) | st.just(math.nan), min_size=1, max_size=80).map(np.array)


@given(risks=RISKS, low=st.floats(0, 1), high=st.floats(0, 1))
def test_the_higher_the_limit_the_less_is_asked(risks: Array, low: float, high: float) -> None:
    low, high = min(low, high), max(low, high)
    assert asked(risks, replace(LIMITS, risk=low), PERIOD) >= asked(risks, replace(LIMITS, risk=high), PERIOD)


@given(risks=RISKS, rate=st.floats(0, 1))
def test_refitted_limits_ask_as_often_as_wanted_and_no_lower_limit_would_do(risks: Array, rate: float) -> None:
    fitted = refit(risks, rate, LIMITS, PERIOD)
    bounds = np.unique(risks[np.isfinite(risks)])
    if not len(bounds):
        assert fitted == LIMITS
        return
    assert asked(risks, fitted, PERIOD) <= rate
    lower = bounds[bounds < fitted.risk]
    if len(lower):
        assert asked(risks, replace(LIMITS, risk=float(lower[-1])), PERIOD) > rate


def test_a_target_rate_is_met_where_doubts_come_in_bouts() -> None:
    rng = np.random.default_rng(0)
    bouts = np.repeat(rng.uniform(0, 1, 200), 20)
    fitted = refit(bouts, 0.1)
    assert 0.05 < asked(bouts, fitted, PERIOD) <= 0.1
    assert fitted.tilt == Limits().tilt


def test_nobody_asks_about_nothing() -> None:
    assert asked(np.zeros(0), LIMITS, PERIOD) == 0.0
    assert refit(np.zeros(0), 0.1) == Limits()
