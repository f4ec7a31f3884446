"""Ticks keep to a fixed grid; a missed slot is skipped and accounted for."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from leash_robot.robot.clock import Grid, MonotonicClock, VirtualClock, missed_slots

PERIOD = 0.05


def test_the_monotonic_clock_sleeps_until_and_not_less() -> None:
    clock = MonotonicClock()
    until = time.monotonic() + 0.02
    clock.sleep_until(until)
    assert clock.now() >= until
    clock.sleep_until(until - 1)


def test_the_virtual_clock_moves_only_when_told() -> None:
    clock = VirtualClock(5.0)
    assert clock.now() == 5.0
    clock.advance(1.0)
    clock.sleep_until(8.0)
    clock.sleep_until(3.0)
    assert clock.now() == 8.0


def test_the_first_tick_is_at_once_and_the_next_a_period_later() -> None:
    clock = VirtualClock()
    grid = Grid(PERIOD, clock)
    assert grid.wait() == 0.0
    assert grid.wait() == 0.0
    assert clock.now() == pytest.approx(PERIOD)


def test_a_late_tick_does_not_shift_the_grid() -> None:
    clock = VirtualClock()
    grid = Grid(PERIOD, clock)
    grid.wait()
    clock.advance(0.07)
    assert grid.wait() == pytest.approx(0.02)
    assert grid.wait() == 0.0
    assert clock.now() == pytest.approx(2 * PERIOD)


def test_missed_slots_are_skipped_and_counted_never_caught_up() -> None:
    clock = VirtualClock()
    grid = Grid(PERIOD, clock)
    grid.wait()
    clock.advance(0.17)
    late = grid.wait()
    assert late == pytest.approx(0.15)
    assert missed_slots(late + 1e-9, PERIOD) == 3
    assert clock.now() == pytest.approx(0.2)
    assert grid.wait() == 0.0
    assert clock.now() == pytest.approx(0.25)


def test_a_restarted_grid_begins_where_it_is() -> None:
    clock = VirtualClock()
    grid = Grid(PERIOD, clock)
    grid.wait()
    clock.advance(0.033)
    grid.restart()
    assert grid.wait() == 0.0
    assert clock.now() == pytest.approx(0.033)


def test_a_tick_that_ends_on_a_slot_takes_it_and_the_next_one_is_not_at_the_same_moment() -> None:
    clock = VirtualClock()
    grid = Grid(PERIOD, clock)
    grid.wait()
    clock.advance(0.1)
    assert grid.wait() == pytest.approx(0.05)
    assert grid.wait() == pytest.approx(0.0)
    assert clock.now() == pytest.approx(0.15)


@given(st.lists(st.floats(0, 0.5), min_size=1, max_size=50))
def test_whatever_a_tick_takes_slots_stay_on_the_grid_and_none_is_used_twice(work: list[float]) -> None:
    clock = VirtualClock()
    grid = Grid(PERIOD, clock)
    grid.wait()
    slot = 0
    for seconds in work:
        clock.advance(seconds)
        late = grid.wait()
        due = clock.now() - late
        assert due == pytest.approx((slot + 1) * PERIOD), "lateness counts from the slot after the last one used"
        used = round(clock.now() / PERIOD - 0.5 + 1e-9) if late < PERIOD else round(clock.now() / PERIOD)
        assert used > slot
        assert late >= 0
        slot = used
