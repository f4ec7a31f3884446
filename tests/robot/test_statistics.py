"""Confidence intervals."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from leash_robot.robot.statistics import wilson_interval


@pytest.mark.parametrize(
    ("successes", "trials", "low", "high"),
    [(0, 0, 0, 1), (50, 50, 0.929, 1.0), (0, 10, 0.0, 0.278), (8, 10, 0.490, 0.943)],
)
def test_wilson_intervals_are_those_of_the_tables(successes: int, trials: int, low: float, high: float) -> None:
    assert list(wilson_interval(successes, trials)) == pytest.approx([low, high], abs=1e-3)


@given(st.integers(1, 500).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_an_interval_holds_the_rate_and_is_a_part_of_one(counts: tuple[int, int]) -> None:
    low, high = wilson_interval(*counts)
    assert 0 <= low <= counts[0] / counts[1] + 1e-9 and counts[0] / counts[1] <= high + 1e-9 and high <= 1
