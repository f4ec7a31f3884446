"""When a camera saw what it shows: capture latency and the time it takes to read its rows, from a known motion.

A row is exposed later than the one above it. Filmed while the camera moves in a known way, a still board is therefore
bent as well as displaced, and each corner says when its own row was exposed. What cannot be told from this: the delay
of whatever told the motion (latency is relative to it), and how long a row is exposed (the middle of its exposure is
what is found). Where the picture hardly moves there is nothing to see, and that is said instead of a number.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from leash_robot.calibration.camera.intrinsics import Intrinsics
from leash_robot.calibration.camera.views import BoardView
from leash_robot.calibration.pose import Pose
from leash_robot.robot.errors import CalibrationError
from leash_robot.robot.types import Array

PROBE = 0.01
"""Time to both sides of a frame in which the motion is taken for a parabola [s]."""
ROUNDS = 6
DOUBT = 3e-3
"""Standard deviation above which a time is not told [s]."""


@dataclass(frozen=True)
class Timing:
    """Seconds, and their standard deviations."""

    latency: float
    """From the exposure of the middle row to the frame's own time."""
    latency_doubt: float
    readout: float | None
    """From the first row's exposure to the last row's; None where the motion does not tell."""
    readout_doubt: float
    residual: float
    """Root mean square distance between corners seen and predicted [pixels]."""


def fit_timing(
    frames: Sequence[tuple[float, BoardView]],
    board_at: Callable[[float], Pose],
    camera: Intrinsics,
    start: float = 0.03,
) -> Timing:
    """Find both times from frames with their times [s]; `board_at` says where the board is before the camera at a time.

    Raises CalibrationError when the motion is too slow to tell the latency.
    """
    times = np.array([start, 0.0])
    for _ in range(ROUNDS):
        pairs = [_corners(stamp, view, board_at, camera, times) for stamp, view in frames]
        slopes, misses = (np.concatenate(parts) for parts in zip(*pairs, strict=True))
        change, *_ = np.linalg.lstsq(slopes, misses)
        times = times + change
    residual = float(np.sqrt(2 * np.mean((misses - slopes @ change) ** 2)))
    doubts = residual / np.sqrt(2) * np.sqrt(np.diag(np.linalg.pinv(slopes.T @ slopes)))
    seen = np.sqrt(np.diag(slopes.T @ slopes)) > 0
    if not seen[0] or doubts[0] > DOUBT:
        raise CalibrationError(
            f"the motion is too slow to time a camera by (+- {1e3 * doubts[0]:.0f} ms, {1e3 * DOUBT:.0f} are allowed); "
            "turn faster before the board"
        )
    told = bool(seen[1]) and doubts[1] < DOUBT
    readout = float(times[1]) if told else None
    return Timing(float(times[0]), float(doubts[0]), readout, float(doubts[1]), residual)


def _corners(
    stamp: float, view: BoardView, board_at: Callable[[float], Pose], camera: Intrinsics, times: Array
) -> tuple[Array, Array]:
    """(2 n, 2) how corners move with latency and readout [pixels/s], and (2 n,) where they are off [pixels]."""
    latency, readout = times
    middle = stamp - latency
    row = view.seen[:, 1:] / view.size[1] - 0.5
    before, now, after = (_project(view, camera, board_at(middle + step)) for step in (-PROBE, 0.0, PROBE))
    speed, bend = (after - before) / (2 * PROBE), (after - 2 * now + before) / PROBE**2
    late = row * readout
    moving = speed + bend * late
    misses = view.seen - (now + speed * late + bend * late**2 / 2)
    slopes = np.stack([-moving, moving * row], axis=-1)
    return slopes.reshape(-1, 2), misses.ravel()


def _project(view: BoardView, camera: Intrinsics, board: Pose) -> Array:
    seen, _ = cv2.projectPoints(view.points, board.vector[:3], board.place, camera.matrix, camera.bends)
    return np.asarray(seen, dtype=np.float64).reshape(-1, 2)
