"""Floors with a coloured line: patterns, colours, wear and light drawn at random, painted as one picture from above.

The picture repeats every `EXTENT` metres; HAZE hides the repetition from a camera near the ground.
"""

from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np

from leash_robot.robot.cameras.image import Pixels
from leash_robot.robot.types import Array
from leash_robot.sim.envs.course import Course

EXTENT = 8.0
"""Side of the painted square, which is centred on the origin [m]."""
SCALE = 200
"""Pixels a metre."""
SIDE = round(EXTENT * SCALE)
TILE = 400
"""Pixels after which a floor's pattern repeats."""
CONTRAST = 40.0
"""Least distance between the line's colour and the floor's, in CIE Lab."""


@dataclass(frozen=True, eq=False)
class Floor:
    """How one floor and the line on it look."""

    pattern: Pixels
    """(TILE, TILE, 3) RGB, repeats without a seam."""
    line: Array
    """(3,) RGB colour of the line, 0..255."""
    width: float
    """Of the line [m]."""
    light: Array
    """(TILE, TILE) brightness over the whole square, 1 is neutral."""
    wear: Array
    """(TILE, TILE) how much of the line's colour is left, over the same square as the pattern, 0..1."""

    def painted(self, course: Course) -> Pixels:
        """(SIDE, SIDE, 3) RGB seen from above; column 0 and row 0 are the origin, columns go along x, rows along y."""
        times = SIDE // TILE
        floor = np.tile(self.pattern, (times, times, 1))
        stroke = _stroke(course, self.width)
        rows, columns = np.nonzero(stroke)
        share = (stroke[rows, columns] / 255.0 * self.wear[rows % TILE, columns % TILE])[:, None]
        floor[rows, columns] = (floor[rows, columns] * (1 - share) + self.line * share).astype(np.uint8)
        shade = cv2.resize(self.light.astype(np.float32), (SIDE, SIDE), interpolation=cv2.INTER_LINEAR)
        lit = cv2.multiply(floor, cv2.merge([shade] * 3), dtype=cv2.CV_8U)
        return np.asarray(lit, np.uint8)


def draw_floor(rng: np.random.Generator, width: tuple[float, float] = (0.014, 0.04)) -> Floor:
    """Draw a floor, and a line that stands out from it."""
    base = _colour(rng, saturation=(0, 90), value=(60, 235))
    other = np.clip(base + rng.normal(0, 40, 3), 15, 245)
    kind = PATTERNS[int(rng.integers(len(PATTERNS)))]
    mask = kind(rng)[..., None]
    grain = rng.normal(0, rng.uniform(1, 9), (TILE, TILE, 1))
    pattern = np.clip(base * (1 - mask) + other * mask + grain, 0, 255).astype(np.uint8)
    return Floor(
        pattern=pattern,
        line=_standing_out(rng, np.stack([base, other])),
        width=float(rng.uniform(*width)),
        light=1.0 + rng.uniform(0.05, 0.3) * (2 * _clouds(rng, TILE, 2.5) - 1),
        wear=np.clip(rng.uniform(0.8, 1.3) - rng.uniform(0, 0.5) * _clouds(rng, TILE, 1.2), 0.35, 1.0),
    )


def _stroke(course: Course, width: float) -> Pixels:
    """(SIDE, SIDE) coverage of the line, 0..255, with smooth edges."""
    fine = 4
    canvas = np.zeros((SIDE, SIDE), np.uint8)
    points = np.round((course.points + EXTENT / 2) * SCALE * 2**fine).astype(np.int32)
    cv2.polylines(
        canvas, [points[:, None]], isClosed=False, color=255, thickness=max(1, round(width * SCALE)),
        lineType=cv2.LINE_AA, shift=fine,
    )  # fmt: skip
    return np.roll(canvas, SIDE // 2, axis=(0, 1))


def _colour(rng: np.random.Generator, saturation: tuple[int, int], value: tuple[int, int]) -> Array:
    """(3,) RGB, 0..255."""
    hsv = np.array([[[rng.integers(180), rng.integers(*saturation), rng.integers(*value)]]], np.uint8)
    return np.array(cv2.cvtColor(hsv, cv2.COLOR_HSV2RGB)[0, 0], np.float64)


def _standing_out(rng: np.random.Generator, floor: Array) -> Array:
    """A colour (3,) at least CONTRAST away from each of the floor's (k, 3)."""
    while True:
        colour = _colour(rng, saturation=(90, 256), value=(50, 256))
        if rng.random() < 0.2:
            colour = np.full(3, rng.choice([15.0, 240.0]))
        if np.linalg.norm(_lab(floor) - _lab(colour[None]), axis=1).min() > CONTRAST:
            return colour


def _lab(colours: Array) -> Array:
    """(k, 3) CIE Lab of RGB colours (k, 3), 0..255."""
    return np.array(cv2.cvtColor((colours[None] / 255).astype(np.float32), cv2.COLOR_RGB2Lab)[0], np.float64)


def _clouds(rng: np.random.Generator, size: int, smooth: float) -> Array:
    """(size, size) noise, 0..1, whose amplitude falls with frequency to the power `smooth`; repeats without a seam."""
    fx, fy = np.fft.rfftfreq(size) * size, np.fft.fftfreq(size)[:, None] * size
    radius = np.maximum(np.hypot(fx, fy), 1.0)
    spectrum = np.fft.rfft2(rng.normal(size=(size, size))) / radius**smooth
    spectrum[0, 0] = 0.0
    noise: Array = np.fft.irfft2(spectrum, (size, size))
    noise -= noise.min()
    scaled: Array = noise / noise.max()
    return scaled


def _plain(rng: np.random.Generator) -> Array:
    return np.zeros((TILE, TILE))


def _carpet(rng: np.random.Generator) -> Array:
    return _clouds(rng, TILE, float(rng.uniform(0.3, 0.9)))


def _stone(rng: np.random.Generator) -> Array:
    return _clouds(rng, TILE, float(rng.uniform(1.2, 2.0)))


def _checker(rng: np.random.Generator) -> Array:
    square = int(rng.choice([20, 25, 50, 100]))
    dark = (np.arange(TILE) // square) % 2
    return (dark[:, None] ^ dark[None]).astype(np.float64)


def _planks(rng: np.random.Generator) -> Array:
    """Boards along one axis, each of its own shade."""
    board = int(rng.choice([16, 20, 25, 40]))
    shades = np.repeat(rng.uniform(0, 0.9, TILE // board), board)
    boards = np.repeat(shades[:, None], TILE, axis=1)
    boards[::board] = 1.0
    return boards if rng.random() < 0.5 else boards.T


def _tiles(rng: np.random.Generator) -> Array:
    """Tiles with joints."""
    tile = int(rng.choice([40, 50, 80, 100]))
    joint = (np.arange(TILE) % tile) < int(rng.integers(1, 4))
    return (joint[:, None] | joint[None]).astype(np.float64)


PATTERNS: tuple[Callable[[np.random.Generator], Array], ...] = (_plain, _carpet, _stone, _checker, _planks, _tiles)
"""How the second colour of a floor is spread over it."""
