"""Pictures from outside show the robot where it is and as it stands."""

from collections.abc import Iterator

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from leash_robot.robot.cameras.image import Pixels
from leash_robot.robot.spec import load_spec
from leash_robot.robot.types import Array
from leash_robot.sim.pybullet.client import pybullet
from leash_robot.sim.rendering.studio import Studio, quaternion

SPEC = load_spec()
HERE: Array = np.array([0.0, 0.0, 0.165])


@pytest.fixture(scope="module")
def studio() -> Iterator[Studio]:
    with Studio(160, 120) as studio:
        yield studio


def coral(image: Pixels) -> Array:
    """(h, w) where the picture has the colour of the thighs."""
    red, green, blue = np.moveaxis(image.astype(int), -1, 0)
    return np.array((red > green + 60) & (red > blue + 60))


def test_the_robot_is_in_the_middle_of_the_picture(studio: Studio) -> None:
    seen = coral(studio.draw(HERE, np.eye(3), SPEC.stand, yaw=0))
    rows, columns = np.nonzero(seen)
    assert seen.sum() > 100
    assert abs(columns.mean() - 80) < 15 and 20 < rows.mean() < 90


def test_it_follows_the_robot_over_its_checkered_floor(studio: Studio) -> None:
    here = studio.draw(HERE, np.eye(3), SPEC.stand)
    far = studio.draw(HERE + np.array([50.0, -20.0, 0.0]), np.eye(3), SPEC.stand)
    beside = studio.draw(HERE + np.array([0.25, 0.0, 0.0]), np.eye(3), SPEC.stand)
    assert np.abs(here.astype(int) - far).mean() < 3.0, "whole pairs of squares away it looks the same"
    assert np.abs(here.astype(int) - beside).mean() > 8.0, "half a pair away light and dark are swapped"


def test_the_pose_shows(studio: Studio) -> None:
    pictures = [studio.draw(HERE, np.eye(3), pose) for pose in (SPEC.stand, SPEC.rest)]
    assert np.abs(pictures[0].astype(int) - pictures[1]).max() > 60


def test_closing_twice_does_no_harm() -> None:
    studio = Studio(32, 32)
    studio.close()
    studio.close()


@settings(max_examples=30)
@given(st.lists(st.floats(-3, 3), min_size=3, max_size=3))
def test_quaternions_turn_like_their_matrices(euler: list[float]) -> None:
    matrix = np.array(pybullet.getMatrixFromQuaternion(pybullet.getQuaternionFromEuler(euler))).reshape(3, 3)
    again = np.array(pybullet.getMatrixFromQuaternion(quaternion(matrix))).reshape(3, 3)
    assert again == pytest.approx(matrix, abs=1.5e-5)  # cv2.Rodrigues takes less than 1e-5 rad for none
