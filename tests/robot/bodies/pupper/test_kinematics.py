"""Legs in closed form: against geometry by hand, against each other, and against differences."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from leash_robot.robot.bodies.pupper.kinematics import forward, hips, inverse, jacobian
from leash_robot.robot.errors import KinematicsError
from leash_robot.robot.spec import Legs, load_spec
from leash_robot.robot.types import Array

SPEC = load_spec()
assert SPEC.legs is not None
LEGS: Legs = SPEC.legs


def below(leg: tuple[float, float, float]) -> bool:
    """Whether the foot is below the abduction axis, where the inverse looks for it."""
    return bool(LEGS.thigh * np.cos(leg[1]) + LEGS.shank * np.cos(leg[1] + leg[2]) > 0.01)


leg = st.tuples(st.floats(-0.7, 0.7), st.floats(-1.2, 2.5), st.floats(-2.8, -0.05)).filter(below)
poses = st.lists(leg, min_size=4, max_size=4).map(lambda legs: np.array(legs).ravel())


def test_zero_is_four_legs_straight_down_in_the_order_of_the_spec() -> None:
    feet = forward(np.zeros(12), LEGS)
    x, y, z = LEGS.hip_x, LEGS.hip_y + LEGS.offset, -(LEGS.thigh + LEGS.shank)
    np.testing.assert_allclose(feet, [[x, -y, z], [x, y, z], [-x, -y, z], [-x, y, z]], atol=1e-12)


@pytest.mark.parametrize(
    ("joint", "axis", "sign"),
    [(0, 1, 1), (3, 1, 1), (6, 1, 1), (9, 1, 1), (1, 0, -1), (4, 0, -1), (2, 0, -1), (5, 0, -1)],
    ids=str,
)
def test_signs_follow_the_right_hand_rule_about_the_body_axes(joint: int, axis: int, sign: int) -> None:
    bent = np.zeros(12)
    bent[joint] = 0.1
    moved = (forward(bent, LEGS) - forward(np.zeros(12), LEGS))[joint // 3]
    assert np.sign(moved[axis]) == sign, "+abduction left, +hip backward, +knee backward"


def test_hips_are_where_the_geometry_says() -> None:
    assert hips(LEGS)[1].tolist() == [LEGS.hip_x, LEGS.hip_y, 0.0]


@given(poses)
def test_inverse_undoes_forward(joint_pos: Array) -> None:
    feet = forward(joint_pos, LEGS)
    np.testing.assert_allclose(forward(inverse(feet, LEGS), LEGS), feet, atol=1e-9)
    np.testing.assert_allclose(inverse(feet, LEGS), joint_pos, atol=1e-6)


def test_many_poses_are_solved_at_once() -> None:
    feet = np.stack([forward(SPEC.stand, LEGS), forward(SPEC.stand * 0.9, LEGS)]).reshape(1, 2, 4, 3)
    joints = inverse(feet, LEGS)
    assert joints.shape == (1, 2, 12)
    np.testing.assert_allclose(joints[0, 1], SPEC.stand * 0.9, atol=1e-9)


@pytest.mark.parametrize("offset", [[0.0, 0.0, -0.3], [0.0, 0.0, 0.19], [0.25, 0.0, -0.05]])
def test_a_foot_out_of_reach_is_named(offset: list[float]) -> None:
    feet = forward(SPEC.stand, LEGS)
    feet[2] = hips(LEGS)[2] + offset
    if offset[2] > 0:
        feet[2] = hips(LEGS)[2] + [0.0, 0.0, -0.01]
    with pytest.raises(KinematicsError, match="foot 2 at"):
        inverse(feet, LEGS)


@given(poses)
def test_the_jacobian_is_the_derivative_of_forward(joint_pos: Array) -> None:
    step = 1e-6
    analytic = jacobian(joint_pos, LEGS)
    for joint in range(3):
        change = np.tile(np.eye(3)[joint] * step, 4)
        numeric = (forward(joint_pos + change, LEGS) - forward(joint_pos - change, LEGS)) / (2 * step)
        np.testing.assert_allclose(analytic[..., joint], numeric, atol=1e-7)
