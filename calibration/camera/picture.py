"""What a person looks at after a calibration: where corners were seen, their errors, and a straightened picture."""

from collections.abc import Sequence

import cv2
import numpy as np

from leash_robot.calibration.camera.coverage import COLUMNS, ROWS, WANTED, fields
from leash_robot.calibration.camera.intrinsics import Fit, Intrinsics
from leash_robot.calibration.camera.mount import board_in_camera, project
from leash_robot.calibration.camera.views import BoardView
from leash_robot.robot.cameras.image import Pixels

MAGNIFIED = 40
"""By how much errors are drawn larger than they are."""
INK, MUTED, GOOD, POOR, PAPER = (40, 40, 44), (130, 130, 136), (46, 139, 87), (205, 92, 40), (250, 250, 248)
FOOT = 64
"""Height of the lines of text below a picture [pixels]."""


def coverage_picture(fit: Fit) -> Pixels:
    """(h, w, 3) RGB: every corner of every view with its error, over the fields that are well or badly covered."""
    width, height = fit.camera.size
    scale = max(1, round(1280 / width))
    page: Pixels = np.full((height * scale + FOOT, width * scale, 3), PAPER, np.uint8)
    _draw_fields(page[: height * scale], fit.views)
    for index, view in enumerate(fit.views):
        _draw_errors(page, view, fit.camera, scale, _hue(index / len(fit.views)))
    cv2.rectangle(page, (0, 0), (width * scale - 1, height * scale - 1), MUTED, 1)
    camera = fit.camera
    _write(
        page,
        f"{len(fit.views)} views, {len(fit.rejected)} thrown out; root mean square error {camera.reprojection:.2f} px; "
        f"lines are errors drawn {MAGNIFIED} times larger",
        f"focal length {camera.focal[0]:.1f}, {camera.focal[1]:.1f} +- {camera.focal_doubt:.1f} px; "
        f"centre {camera.centre[0]:.1f}, {camera.centre[1]:.1f} +- {camera.centre_doubt:.1f} px",
    )
    return page


def straightened(rgb: Pixels, camera: Intrinsics) -> Pixels:
    """(h, 2 w, 3) a picture as it was taken and as a camera without distortion would have, with straight lines."""
    matrix = camera.matrix
    straight = cv2.undistort(rgb, matrix, camera.bends, None, matrix)
    pair = np.concatenate([rgb, np.asarray(straight, np.uint8)], axis=1)
    width, height = camera.size
    for share in (0.2, 0.4, 0.6, 0.8):
        for left in (0, width):
            cv2.line(pair, (left, round(share * height)), (left + width, round(share * height)), POOR, 1)
            across = left + round(share * width)
            cv2.line(pair, (across, 0), (across, height), POOR, 1)
    page = np.full((height + FOOT, 2 * width, 3), PAPER, np.uint8)
    page[:height] = pair
    _write(
        page, "left as it was taken, right straightened", "straight edges of the scene must be straight on the right"
    )
    return page


def _draw_fields(page: Pixels, views: Sequence[BoardView]) -> None:
    height, width = page.shape[:2]
    for (row, column), count in np.ndenumerate(fields(views)):
        top, bottom = height * row // ROWS, height * (row + 1) // ROWS
        left, right = width * column // COLUMNS, width * (column + 1) // COLUMNS
        colour = (232, 243, 235) if count >= WANTED else (250, 226, 214)
        page[top + 2 : bottom - 2, left + 2 : right - 2] = colour
        words = f"{count} corners" if count >= WANTED else f"{count} corners: show the board here"
        cv2.putText(page, words, (left + 12, top + 28), cv2.FONT_HERSHEY_SIMPLEX, 0.55, MUTED, 1, cv2.LINE_AA)


def _draw_errors(page: Pixels, view: BoardView, camera: Intrinsics, scale: int, colour: tuple[int, int, int]) -> None:
    misses = view.seen - project(view, camera, board_in_camera(view, camera))
    for corner, miss in zip(view.seen, misses, strict=True):
        at, end = (corner + 0.5) * scale, (corner + 0.5 + MAGNIFIED * miss) * scale
        begin = (round(float(at[0])), round(float(at[1])))
        cv2.circle(page, begin, 2 * scale, colour, -1, cv2.LINE_AA)
        cv2.line(page, begin, (round(float(end[0])), round(float(end[1]))), INK, 1, cv2.LINE_AA)


def _hue(share: float) -> tuple[int, int, int]:
    pixel = cv2.cvtColor(np.array([[[round(179 * share), 170, 205]]], np.uint8), cv2.COLOR_HSV2RGB)
    red, green, blue = (int(value) for value in np.ravel(pixel))
    return red, green, blue


def _write(page: Pixels, *lines: str) -> None:
    for index, line in enumerate(lines):
        place = (12, page.shape[0] - FOOT + 26 + 26 * index)
        cv2.putText(page, line, place, cv2.FONT_HERSHEY_SIMPLEX, 0.6, INK, 1, cv2.LINE_AA)
