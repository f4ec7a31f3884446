"""Where a person holds the board in front of the camera while it is calibrated, carelessly as people are."""

import cv2
import numpy as np

from leash_robot.robot.types import Array


def draw_pose(rng: np.random.Generator, place: Array, axes: Array, size: tuple[float, float]) -> tuple[Array, Array]:
    """Corner (3,) and axes (3, 3) of a board of `size` (width, height) [m], before a camera at `place` with `axes`.

    It is somewhere in the middle of the picture or beyond its edge, 0.25 to 0.6 m away, tilted by up to 45 degrees.
    """
    away = rng.uniform(0.25, 0.60)
    middle = away * np.array([rng.uniform(-0.45, 0.45), rng.uniform(-0.33, 0.33), 1.0])
    lean = np.radians(rng.uniform(-45, 45, 2))
    turn = cv2.Rodrigues(np.array([*lean, 0.0]))[0] @ cv2.Rodrigues(np.array([0, 0, rng.uniform(-0.5, 0.5)]))[0]
    corner = middle - turn @ [size[0] / 2, size[1] / 2, 0.0]
    return place + axes @ corner, axes @ turn
