"""Handing over without a jump."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from leash_robot.robot.types import Array
from leash_robot.teleop.intervention.blend import Blend, Fade

PERIOD = 0.05
ROWS = arrays(np.float64, 3, elements=st.floats(-3, 3))


def gone(fade: Fade, targets: list[Array]) -> tuple[list[Array], list[bool]]:
    """What goes out for these targets, and at which ticks the hand-over was over."""
    out: list[Array] = []
    arrived: list[bool] = []
    last = fade.origin
    for tick, target in enumerate(targets):
        last, over = fade.step(target, last, fade.since + (tick + 1) * PERIOD, PERIOD)
        out.append(last)
        arrived.append(over)
    return out, arrived


def test_a_hand_over_goes_from_the_last_command_to_the_new_target_in_its_time() -> None:
    fade = Fade(np.zeros(2), 10.0, Blend(0.25, np.inf))
    out, arrived = gone(fade, [np.array([1.0, -0.5])] * 6)
    assert [row[0] for row in out] == pytest.approx([0.36, 0.64, 0.84, 0.96, 1.0, 1.0])
    assert [row[1] for row in out] == pytest.approx([-0.18, -0.32, -0.42, -0.48, -0.5, -0.5])
    assert arrived == [False, False, False, False, True, True]


def test_the_first_tick_moves_already() -> None:
    out, _ = gone(Fade(np.zeros(1), 0.0, Blend()), [np.ones(1)])
    assert 0.0 < out[0][0] < 1.0


def test_no_time_to_blend_is_no_blend() -> None:
    fade = Fade(np.zeros(1), 0.0, Blend(seconds=0.0, slew=np.inf))
    assert fade.share(0.0) == 1.0
    assert gone(fade, [np.ones(1)])[1] == [True]


@given(origin=ROWS, target=ROWS, slew=st.floats(0.5, 20.0))
def test_no_tick_exceeds_the_slew_limit_and_the_target_is_reached(origin: Array, target: Array, slew: float) -> None:
    fade = Fade(origin, 5.0, Blend(0.25, slew))
    out, arrived = gone(fade, [target] * 300)
    steps = np.abs(np.diff([origin, *out], axis=0))
    assert steps.max() <= slew * PERIOD + 1e-9
    assert arrived[-1]
    assert np.array_equal(out[-1], target)


@given(origin=ROWS, target=ROWS)
def test_nothing_overshoots(origin: Array, target: Array) -> None:
    out, _ = gone(Fade(origin, 5.0, Blend()), [target] * 20)
    low, high = np.minimum(origin, target) - 1e-9, np.maximum(origin, target) + 1e-9
    assert all(np.all((low <= row) & (row <= high)) for row in out)


@given(targets=st.lists(ROWS, min_size=8, max_size=12))
def test_a_moving_target_is_followed_exactly_once_it_was_reached(targets: list[Array]) -> None:
    out, arrived = gone(Fade(np.zeros(3), 0.0, Blend(0.25, np.inf)), targets)
    assert all(np.array_equal(row, target) for row, target, over in zip(out, targets, arrived, strict=True) if over)
    assert arrived == [False] * 4 + [True] * (len(targets) - 4)


def test_the_hand_over_is_not_over_while_the_slew_limit_holds_it_back() -> None:
    out, arrived = gone(Fade(np.zeros(1), 0.0, Blend(0.25, 2.2)), [np.ones(1)] * 12)
    assert arrived.index(True) == 9
    assert out[8][0] < 1.0


@pytest.mark.parametrize("target", [np.array([np.nan, 0.0]), np.array([np.inf, 0.0]), np.zeros(3)])
def test_what_is_no_target_is_left_to_the_limits(target: Array) -> None:
    out, over = Fade(np.zeros(2), 0.0, Blend()).step(target, np.zeros(2), 0.05, PERIOD)
    assert out is target
    assert not over
