"""What has been seen of the board so far, and what a person should show next."""

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from leash_robot.calibration.camera.views import BoardView
from leash_robot.robot.types import Array

COLUMNS, ROWS = 4, 3
"""Fields into which the picture is divided."""
WANTED = 15
"""Corners that each field should have seen, in all views together."""
LEANING = np.radians(12)
"""A board leans when it is turned away by this much [rad]."""
EACH = 3
"""Views wanted of each lean."""
LEANS = ("its left edge away", "its right edge away", "its top away", "its bottom away")
ACROSS, DOWN = ("far left", "left", "right", "far right"), ("top", "middle", "bottom")


def fields(views: Sequence[BoardView]) -> NDArray[np.int64]:
    """(ROWS, COLUMNS) how many corners were seen in each field of the picture."""
    counts = np.zeros((ROWS, COLUMNS), np.int64)
    for view in views:
        column = np.clip(view.seen[:, 0] * COLUMNS / view.size[0], 0, COLUMNS - 1).astype(int)
        row = np.clip(view.seen[:, 1] * ROWS / view.size[1], 0, ROWS - 1).astype(int)
        np.add.at(counts, (row, column), 1)
    return counts


def leans(views: Sequence[BoardView]) -> dict[str, int]:
    """How many views show the board leaning each way."""
    counts = dict.fromkeys(LEANS, 0)
    for normal in map(_normal, views):
        for name, share in zip(LEANS, (normal[0], -normal[0], normal[1], -normal[1]), strict=True):
            counts[name] += int(share > np.sin(LEANING))
    return counts


def missing(views: Sequence[BoardView]) -> list[str]:
    """What to do next, most wanted first; empty once everything has been seen."""
    counts = fields(views)
    empty = sorted((int(counts[row, column]), row, column) for row in range(ROWS) for column in range(COLUMNS))
    places = [f"move it to the {DOWN[row]} {ACROSS[column]}" for count, row, column in empty if count < WANTED]
    tilted = [f"tilt {name}" for name, count in sorted(leans(views).items(), key=lambda item: item[1]) if count < EACH]
    mixed = [hint for pair in zip(tilted, places, strict=False) for hint in pair]
    return [*mixed, *tilted[len(places) :], *places[len(tilted) :]]


def sketch(views: Sequence[BoardView]) -> list[str]:
    """The picture as rows of marks for a terminal: a field is empty, begun or done."""
    marks = np.select([fields(views) >= WANTED, fields(views) > 0], ["██", "▒▒"], "··")
    return ["".join(row) for row in marks]


def _normal(view: BoardView) -> Array:
    """(3,) direction into the board in camera axes, for a lens about as long as the picture is wide."""
    width, height = view.size
    lens = np.array([[0.85 * width, 0, width / 2], [0, 0.85 * width, height / 2], [0, 0, 1]])
    _, turn, _ = cv2.solvePnP(view.points, view.seen, lens, np.zeros(5), flags=cv2.SOLVEPNP_ITERATIVE)
    normal: Array = np.asarray(cv2.Rodrigues(turn)[0], dtype=np.float64)[:, 2]
    return normal
