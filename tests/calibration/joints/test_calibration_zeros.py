"""Zeros from touches, mounting from stances: what was put in comes out, and what cannot be right is refused by name."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from leash_robot.calibration.imu.attitude import fit_attitude
from leash_robot.calibration.imu.stances import Stances, poses, rotation, rotation_vector
from leash_robot.calibration.joints.touch import TOUCHES, Touches
from leash_robot.calibration.joints.zeros import BELLY, fit_zeros
from leash_robot.calibration.legs import four
from leash_robot.robot.bodies.pupper.kinematics import forward, jacobian
from leash_robot.robot.errors import CalibrationError
from leash_robot.robot.spec import load_spec
from leash_robot.robot.types import Array

SPEC = load_spec()
assert SPEC.legs is not None
LEGS = SPEC.legs


def touching(zeros: Array) -> Touches:
    """What a robot with these zeros (12,) reports when its feet touch: hips turned until the floor is met."""
    rows = []
    for pose in TOUCHES:
        joints = four(pose)
        for _ in range(20):
            above = forward(joints, LEGS)[:, 2] - LEGS.foot_radius + BELLY
            joints[1::3] -= above / jacobian(joints, LEGS)[:, 2, 1]
        rows.append(joints - zeros)
    return Touches(np.array(rows), np.ones((len(TOUCHES), 4)))


def leaning(zeros: Array, mount: Array, bias: Array) -> Stances:
    """What a robot says that stands in all poses, without noise."""
    joints = np.array(poses(SPEC))
    feet = forward(joints, LEGS)
    turns, ups = [], []
    for here in feet:
        around = here - here.mean(axis=0)
        normal = np.linalg.svd(around)[2][2]
        ups.append(normal * np.sign(normal[2]))
    for before, after in itertools.pairwise(feet):
        left, _, right = np.linalg.svd((before - before.mean(axis=0)).T @ (after - after.mean(axis=0)))
        proper = np.diag([1.0, 1.0, np.linalg.det(left @ right)])
        turns.append(mount.T @ rotation_vector(left @ proper @ right))
    lean = rotation(-bias / 0.5)
    down = np.array([lean @ (mount.T @ -up) for up in ups])
    return Stances(joints - zeros, down, bias, np.array(turns))


@settings(max_examples=10, deadline=None)
@given(st.lists(st.floats(-8.0, 8.0), min_size=12, max_size=12))
def test_zeros_of_any_machine_are_found_from_its_touches(degrees: list[float]) -> None:
    zeros = fit_zeros(touching(np.radians(degrees)), SPEC)
    np.testing.assert_allclose(np.degrees(zeros.offset), degrees, atol=0.3)
    assert zeros.miss.max() < 1e-4


def test_a_touch_that_was_no_floor_is_left_out() -> None:
    truth = np.radians([3.0, -2.0, 5.0] * 4)
    touches = touching(truth)
    touches.pos[2, 4] += 0.05
    zeros = fit_zeros(touches, SPEC)
    assert zeros.used.met[2, 1] == 0.0
    np.testing.assert_allclose(zeros.offset, truth, atol=np.radians(0.3))


def test_a_leg_that_met_nothing_is_named() -> None:
    touches = touching(np.zeros(12))
    touches.met[1:, 2] = 0.0
    with pytest.raises(CalibrationError, match="back_right met the floor 1 times"):
        fit_zeros(touches, SPEC)


def test_abductions_that_turn_the_wrong_way_are_turned_about() -> None:
    truth = np.radians([3.0, -2.0, 5.0] * 4)
    touches = touching(truth)
    touches.pos[:, [0, 9]] *= -1.0
    zeros = fit_zeros(touches, SPEC)
    assert zeros.sign.tolist() == [-1.0, 1, 1, 1, 1, 1, 1, 1, 1, -1.0, 1, 1]
    np.testing.assert_allclose(zeros.offset, truth, atol=np.radians(0.3))


def test_a_knee_that_turns_the_wrong_way_is_no_flat_floor() -> None:
    touches = touching(np.zeros(12))
    touches.pos[:, 5] = -2.0 - touches.pos[:, 5]
    with pytest.raises(CalibrationError, match="front_left miss a flat floor"):
        fit_zeros(touches, SPEC)


@given(st.lists(st.floats(-1.5, 1.5), min_size=3, max_size=3))
def test_a_rotation_vector_comes_back(vector: list[float]) -> None:
    turn = rotation(np.array(vector))
    np.testing.assert_allclose(turn @ turn.T, np.eye(3), atol=1e-12)
    np.testing.assert_allclose(rotation_vector(turn), vector, atol=1e-9)


def test_mounting_and_zeros_are_found_together() -> None:
    truth, bias = np.radians([2.0, -1.0, 3.0, -4.0] * 3), np.array([0.04, -0.05, 0.02])
    mount = rotation(np.array([0.06, -0.08, 0.05]))
    found = fit_attitude(leaning(truth, mount, bias), touching(truth), SPEC)
    np.testing.assert_allclose(np.degrees(found.offset), np.degrees(truth), atol=0.2)
    assert np.degrees(np.linalg.norm(rotation_vector(found.mount.T @ mount))) < 0.2


def test_an_imu_that_lies_on_its_side_is_a_mounting_like_another() -> None:
    mount = rotation(np.array([0.0, 0.0, np.pi / 2 - 0.1]))
    found = fit_attitude(leaning(np.zeros(12), mount, np.zeros(3)), None, SPEC)
    assert np.degrees(np.linalg.norm(rotation_vector(found.mount.T @ mount))) < 0.2


def test_a_negated_axis_is_refused_by_its_name() -> None:
    stances = leaning(np.zeros(12), np.eye(3), np.zeros(3))
    stances.turned[:, 1] *= -1.0
    with pytest.raises(CalibrationError, match="mirrored: y is negated"):
        fit_attitude(stances, None, SPEC)


def test_a_dead_axis_is_refused() -> None:
    stances = leaning(np.zeros(12), np.eye(3), np.zeros(3))
    stances.turned[:, 2] = 0.0
    with pytest.raises(CalibrationError, match="nothing about one axis"):
        fit_attitude(stances, None, SPEC)


def test_a_robot_that_somebody_turned_meanwhile_is_refused() -> None:
    stances = leaning(np.zeros(12), np.eye(3), np.zeros(3))
    stances.turned[10:16, 0] += 0.5
    with pytest.raises(CalibrationError, match="was it moved"):
        fit_attitude(stances, None, SPEC)
