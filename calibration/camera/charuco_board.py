"""The printed pattern that cameras are calibrated by: a chessboard whose white squares carry numbered markers."""

from dataclasses import dataclass
from functools import cached_property

import cv2
import numpy as np

from leash_robot.robot.cameras.image import Pixels
from leash_robot.robot.types import Array

MODULES = 8
"""Smallest black or white cells along a square; a marker has six of them, its black frame included."""


@dataclass(frozen=True)
class Board:
    """Squares of `square` metres; board axes: x right, y down, z away from the reader, origin at the upper left corner.

    Nine by six squares of 28 mm fill an A4 or Letter sheet and leave forty corners between them.
    """

    columns: int = 9
    rows: int = 6
    square: float = 0.028
    """Side of a square as it was printed [m]."""

    @property
    def marker(self) -> float:
        """Side of a marker [m]."""
        return self.square * (MODULES - 2) / MODULES

    @property
    def size(self) -> tuple[float, float]:
        """Width and height of the pattern [m]."""
        return self.columns * self.square, self.rows * self.square

    @cached_property
    def pattern(self) -> cv2.aruco.CharucoBoard:
        """The board as OpenCV knows it."""
        markers = cv2.aruco.getPredefinedDictionary(cv2.aruco.DICT_4X4_50)
        return cv2.aruco.CharucoBoard((self.columns, self.rows), self.square, self.marker, markers)

    @cached_property
    def corners(self) -> Array:
        """(n, 3) where four squares meet, by corner number [m]."""
        return np.array(self.pattern.getChessboardCorners(), dtype=np.float64)

    @property
    def modules(self) -> Pixels:
        """(rows * 8, columns * 8) the pattern with one pixel a module, 0 or 255."""
        size = (self.columns * MODULES, self.rows * MODULES)
        drawn = self.pattern.generateImage(size)
        pixels: Pixels = np.where(np.asarray(drawn) > 127, 255, 0).astype(np.uint8)
        return pixels
