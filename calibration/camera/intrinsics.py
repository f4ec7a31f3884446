"""Focal length, principal point and distortion of a camera, from views of the board; and how sure they are."""

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from leash_robot.calibration.camera.views import FEWEST, BoardView, check_sizes
from leash_robot.robot.errors import CalibrationError
from leash_robot.robot.types import Array

ENOUGH = 8
"""Views that the result must rest on."""
TILT_SPREAD = 12.0
"""Root mean square angle between the board and its mean direction, over all views, below which focal length and
distance cannot be told apart [deg]."""
DOUBT = 1.0
"""Standard deviation of a focal length above which the result is refused [percent]."""
OUTLIER = 2.5
"""A view is thrown out when its residual exceeds the median one by this factor, a corner when by twice as much."""
ROUNDS = 3
SIGNIFICANT = 4.0
"""The sixth-power distortion is used when it is this many standard deviations from zero."""
MODEL = cv2.CALIB_FIX_K3


@dataclass(frozen=True, eq=False)
class Intrinsics:
    """How a camera sees, as OpenCV writes it."""

    size: tuple[int, int]
    """Width and height [pixels]."""
    focal: tuple[float, float]
    """[pixels]"""
    centre: tuple[float, float]
    """Principal point; the centre of the upper left pixel is (0, 0) [pixels]."""
    distortion: tuple[float, ...]
    """(5,) k1, k2, p1, p2, k3."""
    reprojection: float
    """Root mean square distance between corners seen and corners predicted [pixels]."""
    focal_doubt: float
    """Standard deviation of the focal length [pixels]."""
    centre_doubt: float
    """Standard deviation of the principal point [pixels]."""

    @property
    def matrix(self) -> Array:
        """(3, 3)"""
        return np.array([[self.focal[0], 0.0, self.centre[0]], [0.0, self.focal[1], self.centre[1]], [0.0, 0.0, 1.0]])

    @property
    def bends(self) -> Array:
        """(5,) the distortion as an array."""
        return np.array(self.distortion)


@dataclass(frozen=True, eq=False)
class Fit:
    """The result, the views it rests on, and those that did not agree with the others."""

    camera: Intrinsics
    views: Sequence[BoardView]
    rejected: Sequence[tuple[BoardView, str]]


def fit_intrinsics(views: Sequence[BoardView]) -> Fit:
    """Calibrate; views and corners that disagree with the rest are thrown out. Raises CalibrationError."""
    kept, rejected = list(views), list[tuple[BoardView, str]]()
    _check_enough(kept, 0)
    size = check_sizes(kept)
    for _ in range(ROUNDS):
        result = _calibrate(kept, size, MODEL)
        kept, thrown = _split(kept, result)
        rejected += thrown
        _check_enough(kept, len(rejected))
        if not thrown:
            break
    _check_tilts(result.turns)
    richer = _calibrate(kept, size, 0)
    needed = abs(richer.bends[4]) > SIGNIFICANT * richer.doubts[8]
    return Fit(_checked(richer if needed else _calibrate(kept, size, MODEL), size), kept, rejected)


@dataclass(frozen=True, eq=False)
class _Result:
    rms: float
    matrix: Array
    bends: Array
    turns: Array
    """(v, 3) rotation vectors of the board."""
    moves: Array
    doubts: Array


def _calibrate(views: Sequence[BoardView], size: tuple[int, int], flags: int) -> _Result:
    points = [view.points.astype(np.float32) for view in views]
    seen = [view.seen.astype(np.float32) for view in views]
    try:
        rms, matrix, bends, turns, moves, doubts, _, _ = cv2.calibrateCameraExtended(
            points, seen, size, np.eye(3), np.zeros(5), flags=flags
        )
    except cv2.error as error:
        raise CalibrationError(f"OpenCV cannot calibrate from these views: {error.err}; take others") from None
    stacked = [np.array(vectors, dtype=np.float64).reshape(-1, 3) for vectors in (turns, moves)]
    flat = [np.array(values, dtype=np.float64).ravel() for values in (bends, doubts)]
    return _Result(rms, np.asarray(matrix, dtype=np.float64), flat[0][:5], stacked[0], stacked[1], flat[1])


def _split(views: Sequence[BoardView], result: _Result) -> tuple[list[BoardView], list[tuple[BoardView, str]]]:
    """Views that agree, less the corners that do not; and the others with the reason."""
    distances = [
        np.linalg.norm(_project(view, result, turn, move) - view.seen, axis=-1)
        for view, turn, move in zip(views, result.turns, result.moves, strict=True)
    ]
    rms = np.array([np.sqrt(np.mean(each**2)) for each in distances])
    usual = max(float(np.median(rms)), 0.02)
    kept, thrown = [], []
    for view, each, own in zip(views, distances, rms, strict=True):
        good = each < 2 * OUTLIER * usual
        if own > OUTLIER * usual or good.sum() < FEWEST:
            thrown.append((view, f"disagrees with the others ({own:.2f} px, usual {usual:.2f} px)"))
        else:
            kept.append(_only(view, good))
    return kept, thrown


def _only(view: BoardView, good: np.ndarray[tuple[int, ...], np.dtype[np.bool_]]) -> BoardView:
    return BoardView(view.ids[good], view.seen[good], view.points[good], view.size, view.blur, view.name)


def _project(view: BoardView, result: _Result, turn: Array, move: Array) -> Array:
    seen, _ = cv2.projectPoints(view.points, turn, move, result.matrix, result.bends)
    return np.asarray(seen, dtype=np.float64).reshape(-1, 2)


def _check_enough(views: Sequence[BoardView], rejected: int) -> None:
    if len(views) < ENOUGH:
        out = f", {rejected} were thrown out" if rejected else ""
        raise CalibrationError(
            f"{len(views)} good views of the board{out}; at least {ENOUGH} are needed, 20 are better"
        )


def tilts(turns: Array) -> Array:
    """(v,) angle between the board and its mean direction in each view [deg]; `turns` (v, 3) are rotation vectors."""
    normals = np.array([cv2.Rodrigues(turn)[0][:, 2] for turn in turns])
    mean = normals.mean(axis=0)
    angles: Array = np.degrees(np.arccos(np.clip(normals @ mean / np.linalg.norm(mean), -1, 1)))
    return angles


def _check_tilts(turns: Array) -> None:
    spread = float(np.sqrt(np.mean(tilts(turns) ** 2)))
    if spread < TILT_SPREAD:
        raise CalibrationError(
            f"all views are from one angle (they spread by {spread:.0f} deg, {TILT_SPREAD:.0f} are needed); "
            "tilt the board by 30 to 45 deg, left, right, up and down"
        )


def _checked(result: _Result, size: tuple[int, int]) -> Intrinsics:
    """The result as it is told to others. Raises CalibrationError for one that is worth little."""
    matrix, doubts = result.matrix, result.doubts
    focal = (float(matrix[0, 0]), float(matrix[1, 1]))
    focal_doubt = float(max(doubts[0], doubts[1]))
    if not np.isfinite(focal_doubt) or focal_doubt > DOUBT / 100 * min(focal):
        raise CalibrationError(
            f"these views leave the focal length open ({focal[0]:.0f} +- {focal_doubt:.0f} px); "
            "take more of them, with the board tilted and in all parts of the picture"
        )
    centre = (float(matrix[0, 2]), float(matrix[1, 2]))
    bends = tuple(float(value) for value in result.bends)
    return Intrinsics(size, focal, centre, bends, float(result.rms), focal_doubt, float(max(doubts[2], doubts[3])))
