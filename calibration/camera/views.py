"""One look at the board: where its corners are seen, and whether the picture is good enough to learn from."""

from dataclasses import dataclass

import cv2
import numpy as np

from leash_robot.calibration.camera.charuco_board import Board
from leash_robot.robot.cameras.image import Pixels
from leash_robot.robot.errors import CalibrationError
from leash_robot.robot.types import Array

FEWEST = 12
"""Corners that a view must show."""
BLURRED = 1.9
"""Standard deviation of an edge above which a view is refused [pixels]."""
MOVED = 1.0
"""How far corners may move from one frame to the next while the board is held still [pixels]."""
REPEATED = 12.0
"""A view whose corners are on average closer than this to those of an accepted one teaches nothing new [pixels]."""


@dataclass(frozen=True, eq=False)
class BoardView:
    """The board as one picture shows it, n corners."""

    ids: Array
    """(n,) numbers of the corners, ascending."""
    seen: Array
    """(n, 2) where they are in the picture; the centre of its upper left pixel is (0, 0) [pixels]."""
    points: Array
    """(n, 3) where they are on the board [m]."""
    size: tuple[int, int]
    """Width and height of the picture [pixels]."""
    blur: float
    """Standard deviation of an edge [pixels]."""
    name: str = ""
    """Which picture."""

    def __len__(self) -> int:
        return len(self.ids)


class Finder:
    """Finds a board in pictures."""

    def __init__(self, board: Board) -> None:
        self.board = board
        self._detector = cv2.aruco.CharucoDetector(board.pattern)

    def find(self, rgb: Pixels, name: str = "") -> BoardView:
        """The board in a picture (h, w, 3); a view without corners where there is none."""
        grey = cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY)
        seen, ids, _, _ = self._detector.detectBoard(grey)
        size = (rgb.shape[1], rgb.shape[0])
        if seen is None or ids is None or not len(ids):
            return BoardView(np.zeros(0), np.zeros((0, 2)), np.zeros((0, 3)), size, 0.0, name)
        numbers = np.asarray(ids).ravel()
        corners = np.asarray(seen, dtype=np.float64).reshape(-1, 2)
        return BoardView(
            numbers.astype(float), corners, self.board.corners[numbers], size, edge_blur(grey, corners), name
        )


def edge_blur(grey: cv2.typing.MatLike, corners: Array) -> float:
    """How blurred the edges at the corners (n, 2) are: standard deviation across the worse of their two directions.

    An edge of height c blurred by s is nowhere steeper than c / (s sqrt(2 pi)). Motion smears only
    the edges across it; so both edges through a corner are looked at, and the softer one counts.
    """
    smooth = cv2.GaussianBlur(grey, (0, 0), 0.7)
    across = cv2.Sobel(smooth, cv2.CV_64F, 1, 0, ksize=1) / 2
    down = cv2.Sobel(smooth, cv2.CV_64F, 0, 1, ksize=1) / 2
    worst = [blur for corner in corners if (blur := _corner_blur(grey, across, down, corner)) is not None]
    return float(np.median(worst)) if worst else 0.0


PATCH = 5
"""Half the side of the patch that is looked at around a corner [pixels]."""


def _corner_blur(
    grey: cv2.typing.MatLike, across: cv2.typing.MatLike, down: cv2.typing.MatLike, corner: Array
) -> float | None:
    x, y = (round(float(value)) for value in corner)
    if not (PATCH <= x < grey.shape[1] - PATCH and PATCH <= y < grey.shape[0] - PATCH):
        return None
    window = np.s_[y - PATCH : y + PATCH + 1, x - PATCH : x + PATCH + 1]
    slopes = np.stack([across[window].ravel(), down[window].ravel()])
    height = float(np.ptp(np.percentile(grey[window], [3, 97])))
    # The two edges through a corner: the directions in which the patch's gradients point, found by doubling angles
    steep = np.hypot(*slopes)
    angle = np.arctan2(slopes[1], slopes[0])
    fourfold = np.angle(np.sum(steep**2 * np.exp(4j * angle))) / 4
    steepest = [np.abs(slopes.T @ (np.cos(turn), np.sin(turn))).max() for turn in (fourfold, fourfold + np.pi / 2)]
    # Note: the smoothing before the derivative, and its step of two pixels, add 0.7^2 + 0.58^2 to the variance.
    variance = (height / (min(steepest) * np.sqrt(2 * np.pi))) ** 2 - 0.82
    return float(np.sqrt(max(variance, 0.0)))


def refusal(view: BoardView, accepted: list[BoardView], before: BoardView | None = None) -> str:
    """Why a view is not taken, in a few words; empty when it is. `before` is the frame just before a live one."""
    if not len(view):
        return "no board in sight"
    if len(view) < FEWEST:
        return f"only {len(view)} corners in sight, {FEWEST} are needed"
    if view.blur > BLURRED:
        return f"blurred ({view.blur:.1f} px)"
    if before is not None and (moved := distance(view, before)) > MOVED:
        return f"moving ({moved:.1f} px a frame)"
    if any(distance(view, other) < REPEATED for other in accepted):
        return "as one taken before"
    return ""


def distance(view: BoardView, other: BoardView) -> float:
    """Mean distance between the corners that both views show [pixels]; infinity when they share few."""
    _, first, second = np.intersect1d(view.ids, other.ids, return_indices=True)
    if len(first) < FEWEST // 2:
        return float("inf")
    return float(np.linalg.norm(view.seen[first] - other.seen[second], axis=-1).mean())


def check_sizes(views: list[BoardView]) -> tuple[int, int]:
    """The size that all pictures have, (width, height). Raises CalibrationError naming the first that differs."""
    size = views[0].size
    for view in views:
        if view.size != size:
            raise CalibrationError(
                f"{view.name or 'a picture'} is {view.size[0]}x{view.size[1]} but {views[0].name or 'the first'} is "
                f"{size[0]}x{size[1]}; take all with one camera at one setting"
            )
    return size
