"""What stands between a scene and its picture: exposure, white balance, blur, vignette, sensor noise."""

from dataclasses import dataclass

import cv2
import numpy as np

from leash_robot.robot.cameras.image import Pixels
from leash_robot.robot.types import Array

PLATES = 7
"""Noise patterns that frames take turns with."""


@dataclass(frozen=True, eq=False)
class Exposure:
    """How one camera renders one light."""

    gain: Array
    """(3,) brightness of red, green and blue."""
    gamma: float
    blur: float
    """Standard deviation [pixels]."""
    vignette: float
    """How much darker the corners are than the middle, 0..1."""
    noise: float
    """Standard deviation of a pixel, 0..255."""
    seed: int
    """Of the noise."""


def draw_exposure(rng: np.random.Generator) -> Exposure:
    """From dim to bright, from warm to cold."""
    return Exposure(
        gain=rng.uniform(0.6, 1.25) * rng.uniform(0.88, 1.12, 3),
        gamma=float(rng.uniform(0.8, 1.25)),
        blur=float(rng.uniform(0.0, 1.2)),
        vignette=float(rng.uniform(0.0, 0.4)),
        noise=float(rng.uniform(1.0, 7.0)),
        seed=int(rng.integers(2**31)),
    )


class Lens:
    """Turns scenes (h, w, 3) of one size into pictures."""

    def __init__(self, exposure: Exposure, height: int, width: int) -> None:
        levels = (np.arange(256)[:, None] / 255) ** exposure.gamma * exposure.gain * 255
        self._curve = np.clip(levels, 0, 255).astype(np.uint8)[None]
        self._blur = exposure.blur
        down, across = np.mgrid[-1 : 1 : height * 1j, -1 : 1 : width * 1j]
        shade = 1 - exposure.vignette * (down**2 + across**2) / 2
        self._shade = np.repeat(shade[..., None], 3, axis=-1).astype(np.float32)
        rng = np.random.default_rng(exposure.seed)
        self._plates = [rng.normal(0, exposure.noise, (height, width, 3)).astype(np.float32) for _ in range(PLATES)]
        self._frames = 0

    def through(self, scene: Pixels) -> Pixels:
        """The picture of a scene."""
        seen = cv2.GaussianBlur(scene, (0, 0), self._blur) if self._blur > 0.3 else scene
        seen = cv2.LUT(seen, self._curve)
        shaded = cv2.multiply(seen, self._shade, dtype=cv2.CV_32F)
        self._frames += 1
        return np.asarray(cv2.add(shaded, self._plates[self._frames % PLATES], dtype=cv2.CV_8U), np.uint8)
