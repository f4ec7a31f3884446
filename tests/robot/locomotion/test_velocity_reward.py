"""Terms of the velocity reward: what following is worth, what style costs, and what a robot computes of them."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from leash_robot.robot.locomotion import velocity_reward as reward
from leash_robot.robot.locomotion.odometry import MotionEstimate
from leash_robot.robot.locomotion.velocity_reward import HEIGHT, MeasuredWeights, measured_terms
from leash_robot.robot.types import Observation


@settings(max_examples=50)
@given(st.floats(-2, 2), st.floats(-2, 2))
def test_speeding_is_worth_no_more_than_lagging(command: float, error: float) -> None:
    wanted = [command, 0.0, 0.0]
    ahead, behind = ([command + sign * error, 0.0, 0.0] for sign in (1, -1))
    fast, slow = (reward.velocity_tracking(velocity, wanted, 0.2) for velocity in (ahead, behind))
    assert fast == pytest.approx(slow)
    assert reward.velocity_tracking(wanted, wanted, 0.2) == 1.0 >= fast
    turning = [0.0, 0.0, command]
    assert (
        reward.yaw_tracking(turning, turning, 0.2)
        == 1.0
        >= reward.yaw_tracking([0.0, 0.0, command + error], turning, 0.2)
    )


def test_penalties_are_zero_for_a_perfect_stand_and_grow_with_the_fault() -> None:
    zero = np.zeros(12)
    assert reward.angular_velocity_xy([0.0] * 3) == 0
    assert reward.action_rate(zero, zero) == reward.action_acceleration(zero, zero, zero) == 0
    assert reward.action_rate(zero + 0.2, zero) == pytest.approx(0.04)
    assert reward.action_acceleration(zero + 0.2, zero + 0.1, zero) == pytest.approx(0.0), (
        "a steady change does not bend"
    )
    assert reward.orientation([0.5, 0.0, -0.8]) == 0.25
    assert reward.angular_velocity_xy([1.0, 2.0, 9.0]) == 5.0


def test_standing_earns_nothing_of_a_pursuit_whatever_is_asked() -> None:
    for command in ((0.3, 0.0, 0.0), (-0.2, 0.15, 1.0), (0.5, -0.1, -0.7)):
        assert reward.pursuit((0.0, 0.0, 0.0), command) == pytest.approx(0.0)
        assert reward.pursuit(command, command) == 1.0
        assert reward.pursuit([-5 * value for value in command], command) == -1.0
    assert reward.pursuit((0.0, 0.0, 0.4), (0.0, 0.0, 0.8)) == pytest.approx(0.5)


def test_a_robot_that_stands_high_and_follows_earns_the_tracking_terms_alone() -> None:
    still, level = np.zeros(12), np.array([0.0, 0.0, -1.0])
    obs = Observation(0.0, 0.0, still, still, still, level, np.array([0.0, 0.0, 0.2]), np.zeros(3))
    command = np.array([0.3, 0.0, 0.2])
    terms = measured_terms(obs, MotionEstimate(command, HEIGHT), command, (still, still), MeasuredWeights(), fell=False)
    assert terms == {"velocity": 1.0, "yaw": 0.3, "lean": 0, "wobble": 0, "change": 0, "low": 0, "fall": 0}
    low = measured_terms(
        obs, MotionEstimate(command, HEIGHT - 0.1), command, (still, still), MeasuredWeights(), fell=True
    )
    assert low["low"] == pytest.approx(-2.0) and low["fall"] == -5.0


def test_standing_still_earns_nothing_under_a_commanded_velocity_and_its_yaw_rate_under_none() -> None:
    still, level = np.zeros(12), np.array([0.0, 0.0, -1.0])
    obs = Observation(0.0, 0.0, still, still, still, level, np.zeros(3), np.zeros(3))
    stands = MotionEstimate(np.zeros(3), HEIGHT)
    for command, yaw in (((0.4, 0.0, 0.0), 0.0), ((0.0, 0.0, 0.0), 0.3), ((0.4, 0.0, 1.5), -0.0)):
        terms = measured_terms(obs, stands, np.array(command), (still, still), MeasuredWeights(), fell=False)
        assert terms["yaw"] == pytest.approx(yaw)
    astray = measured_terms(obs, stands, np.array([0.4, 0.0, -3.0]), (still, still), MeasuredWeights(), fell=False)
    assert astray["yaw"] <= 0.0
