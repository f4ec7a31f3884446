"""The one definition of how well a velocity command is followed."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from leash_robot.robot.types import Array
from leash_robot.sim.envs.tracking import CYCLE, PLANAR, SETTLE, TURNING, Tracking, smoothed, tracking

RATE = 20.0


def steady(vx: float, vy: float, yaw: float, ticks: int = 200) -> Array:
    return np.tile([vx, vy, yaw], (ticks, 1))


@given(st.floats(-1, 1), st.floats(-1, 1), st.floats(-2, 2))
def test_a_steady_error_is_its_own_mean(dx: float, dy: float, turn: float) -> None:
    command = np.array([0.2, 0.0, 0.4])
    follows = tracking(steady(0.2 + dx, dy, 0.4 + turn), command, RATE)
    assert follows.planar == pytest.approx(np.hypot(dx, dy), abs=1e-9)
    assert follows.turning == pytest.approx(abs(turn), abs=1e-9)


def test_a_gaits_sway_is_no_error_but_half_a_walk_in_the_wrong_direction_is() -> None:
    ticks = np.arange(400)
    sway = steady(0.3, 0.0, 0.0, 400)
    sway[:, 0] += 0.2 * np.sin(2 * np.pi * ticks / round(CYCLE * RATE))
    assert tracking(sway, np.array([0.3, 0.0, 0.0]), RATE).planar < 1e-9
    veering = np.concatenate([steady(0.3, 0.2, 0.0), steady(0.3, -0.2, 0.0)])
    assert tracking(veering, np.array([0.3, 0.0, 0.0]), RATE).planar > 0.18


def test_the_first_second_does_not_count() -> None:
    slow = steady(0.3, 0.0, 0.0)
    slow[: round(SETTLE * RATE)] = 0.0
    assert tracking(slow, np.array([0.3, 0.0, 0.0]), RATE).planar == pytest.approx(0.0)
    assert tracking(slow, np.array([0.3, 0.0, 0.0]), RATE, settle=0.0).planar > 0.02


def test_commands_may_change_on_the_way() -> None:
    commands = np.concatenate([steady(0.3, 0.0, 0.0), steady(0.0, 0.0, 0.5)])
    assert tracking(commands.copy(), commands, RATE) == (0.0, 0.0)


@given(st.integers(1, 40))
def test_an_episode_that_ended_early_is_judged_all_the_same(ticks: int) -> None:
    follows = tracking(steady(0.0, 0.0, 0.0, ticks), np.array([0.3, 0.0, 0.1]), RATE)
    assert follows == pytest.approx((0.3, 0.1))


def test_both_errors_must_be_small() -> None:
    assert Tracking(0.9 * PLANAR, 0.9 * TURNING).good
    assert not Tracking(PLANAR, 0.0).good and not Tracking(0.0, TURNING).good
    assert not Tracking(float("nan"), 0.0).good


def test_smoothing_keeps_the_mean_of_what_is_shorter_than_a_cycle() -> None:
    assert smoothed(np.array([[1.0], [3.0]]), RATE) == pytest.approx(np.array([[2.0]]))
