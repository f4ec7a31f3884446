"""The action filter and its inverse."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from leash_robot.robot.encoding.action_filter import ActionFilter, expressible
from leash_robot.robot.types import Array

OFFSETS = arrays(np.float64, 12, elements=st.floats(-2, 2))


@given(OFFSETS, OFFSETS, st.just(0.0) | st.floats(0.1, 10))
def test_the_action_for_a_target_leads_to_that_target(last: Array, offset: Array, filter_hz: float) -> None:
    action_filter = ActionFilter.with_cutoff(np.full(12, 0.3), filter_hz, 20.0)
    action = action_filter.action(offset, last)
    np.testing.assert_allclose(action_filter.offset(action, last), offset, atol=1e-5)


def test_a_cutoff_of_zero_is_no_filter() -> None:
    direct = ActionFilter.with_cutoff(np.full(3, 0.5), 0.0, 20.0)
    assert direct.alpha == 1.0
    assert direct.offset(np.ones(3), np.full(3, -9.0)).tolist() == [0.5] * 3


def test_a_step_decays_with_the_cutoff_frequency() -> None:
    slow = ActionFilter.with_cutoff(np.ones(1), 2.0, 20.0)
    assert slow.decay == pytest.approx(math.exp(-2 * math.pi * 2.0 / 20.0))
    assert slow.offset(np.zeros(1), np.ones(1)) == pytest.approx(slow.decay)


def test_what_lies_outside_the_scale_is_not_expressible() -> None:
    actions = np.array([[1.0005, 0.0], [1.01, 0.0]], np.float32)
    assert expressible(actions).tolist() == [True, False]
