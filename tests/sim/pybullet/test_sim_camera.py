"""The head camera draws the floor where geometry says it is."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from leash_robot.robot.cameras.image import Pixels
from leash_robot.robot.spec import CameraSpec
from leash_robot.robot.types import Array
from leash_robot.sim.pybullet.camera import FIELD, HAZE, MOUNT, PITCH, TEXELS, HeadCamera, checker

SPEC = CameraSpec(width=160, height=120, rate=30)
HEIGHT = 0.165


def turned(yaw: float = 0.0, pitch: float = 0.0, roll: float = 0.0) -> Array:
    """(3, 3) rotation by yaw, then pitch, then roll."""
    (cz, cy, cx), (sz, sy, sx) = np.cos([yaw, pitch, roll]), np.sin([yaw, pitch, roll])
    about_z = np.array([[cz, -sz, 0], [sz, cz, 0], [0, 0, 1]])
    about_y = np.array([[cy, 0, sy], [0, 1, 0], [-sy, 0, cy]])
    return np.array(about_z @ about_y @ np.array([[1, 0, 0], [0, cx, -sx], [0, sx, cx]]))


def spotted(at: tuple[float, float]) -> Pixels:
    """A floor of one metre, black but for a red spot of 2 cm at this place [m]."""
    pattern = np.zeros((TEXELS * 2, TEXELS * 2, 3), np.uint8)
    x, y = (round(value % 1.0 * TEXELS * 2) for value in at)
    pattern[:11, :11] = (255, 0, 0)
    return np.roll(pattern, (y - 5, x - 5), axis=(0, 1))


def centre_of_red(image: Pixels) -> Array:
    """(2,) column and row of the reddest nearby spot's centre."""
    rows, columns = np.nonzero((image[..., 0] > 120) & (image[..., 1] < 80) & (image[..., 2] < 80))
    near = rows > rows.max() - 15
    return np.array([columns[near].mean(), rows[near].mean()])


@settings(max_examples=40, deadline=None)
@given(st.floats(-2, 2), st.floats(-3, 3), st.floats(-0.15, 0.15))
def test_a_spot_ahead_appears_where_a_pinhole_camera_sees_it(x: float, y: float, roll: float) -> None:
    position, rotation = np.array([x, y, HEIGHT]), turned(roll=roll)
    eye = position + rotation @ MOUNT
    spot = np.round(eye + np.array([0.45, 0.05, 0.0]), 2) * [1, 1, 0]
    image = HeadCamera(SPEC, spotted((float(spot[0]), float(spot[1]))), repeat=1.0).render(position, rotation)
    ahead, left, up = rotation.T @ (spot - eye)
    depth, down = ahead * math.cos(PITCH) - up * math.sin(PITCH), -ahead * math.sin(PITCH) - up * math.cos(PITCH)
    focal = SPEC.height / 2 / math.tan(FIELD / 2)
    expected = [SPEC.width / 2 - focal * left / depth, SPEC.height / 2 + focal * down / depth]
    assert centre_of_red(image) == pytest.approx(expected, abs=1.5)


def test_the_horizon_tilts_with_the_body() -> None:
    white = np.full((8, 8, 3), 255, np.uint8)
    view = HeadCamera(SPEC, white).render(np.array([0.0, 0.0, HEIGHT]), turned(roll=0.3))
    left, right = ((view[:, column].min(axis=1) == 255).sum() for column in (0, -1))
    assert right > left + 20, "rolling to the right lifts the floor in the right half of the picture"


def test_looking_up_there_is_only_sky() -> None:
    image = HeadCamera(SPEC).render(np.array([0.0, 0.0, HEIGHT]), turned(pitch=-1.2))
    assert (image[..., 2] > image[..., 0]).all(), "bluer than red everywhere"


def test_the_far_floor_fades_into_haze() -> None:
    image = HeadCamera(SPEC).render(np.array([0.0, 0.0, HEIGHT]), turned())
    horizon = round(SPEC.height / 2 - SPEC.height / 2 / math.tan(FIELD / 2) * math.tan(PITCH))
    assert np.abs(image[horizon + 1].astype(int) - HAZE).max() < 12


def test_the_checker_repeats_without_a_seam() -> None:
    pattern = checker()
    assert pattern.shape == (TEXELS, TEXELS, 3)
    assert not np.array_equal(pattern[0, 0], pattern[0, -1]) and np.array_equal(pattern[0, 0], pattern[-1, -1])
