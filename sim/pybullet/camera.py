"""What the robot's head camera sees: a patterned floor under a sky, drawn without a display in a few milliseconds.

A floor is a plane, so its picture is its pattern under a homography, which OpenCV warps faster than any software
rasterizer draws the same scene. The head looks ahead of the legs, so nothing else of this world is in view.
"""

import math

import cv2
import numpy as np

from leash_robot.robot.cameras.image import Pixels
from leash_robot.robot.spec import CameraSpec
from leash_robot.robot.types import Array

MOUNT = np.array([0.136, 0.0, 0.022])
"""Where the camera sits in the body frame [m]. Place, pitch and field of view are also the twin's."""
PITCH = math.atan(0.2)
"""How far it looks down [rad]."""
FIELD = math.radians(49)
"""Vertical field of view [rad]."""
TEXELS = 256
"""Pixels across one repeat of the pattern."""

FOG_SLOPES = (0.02, 0.12)
"""Looking down less steeply than the first, all is haze; more steeply than the second, none [height per distance]."""
HAZE = np.array([226, 232, 236], np.uint8)
ZENITH = np.array([122, 170, 208], np.uint8)


def checker(light: tuple[int, int, int] = (232, 229, 221), dark: tuple[int, int, int] = (166, 182, 189)) -> Pixels:
    """A pattern of two by two squares that repeats without a seam, (TEXELS, TEXELS, 3) RGB."""
    half = np.arange(TEXELS) < TEXELS // 2
    squares = half[:, None] ^ half[None, :]
    return np.where(squares[..., None], np.array(light, np.uint8), np.array(dark, np.uint8))


class HeadCamera:
    """A pinhole camera on the head, over a floor with a repeating pattern."""

    def __init__(self, spec: CameraSpec, pattern: Pixels | None = None, *, repeat: float = 0.5) -> None:
        """`pattern` (h, w, 3) RGB covers a square with sides of `repeat` [m]."""
        self.lay(checker() if pattern is None else pattern, repeat)
        self._size = (spec.width, spec.height)
        focal = spec.height / 2 / math.tan(FIELD / 2)
        pixel_to_ray = np.array(
            [[1 / focal, 0, -spec.width / 2 / focal], [0, 1 / focal, -spec.height / 2 / focal], [0, 0, 1]]
        )
        # Rows of the camera's axes in the body frame: right, down, ahead; pitched down about the body's y.
        sine, cosine = math.sin(PITCH), math.cos(PITCH)
        axes = np.array([[0.0, -1.0, 0.0], [-sine, 0.0, -cosine], [cosine, 0.0, -sine]])
        self._rays = axes.T @ pixel_to_ray
        self._columns = np.arange(spec.width, dtype=np.float32)
        self._rows = np.arange(spec.height, dtype=np.float32)[:, None]
        self._sky = np.linspace(HAZE, ZENITH, 256).astype(np.uint8)[:, None, :]

    def lay(self, pattern: Pixels, repeat: float) -> None:
        """Look at another floor from now on."""
        self._pattern, self._repeat = pattern, repeat

    def render(self, position: Array, rotation: Array) -> Pixels:
        """The view (h, w, 3) RGB from a body frame at `position` (3,) [m] turned by `rotation` (3, 3) to the world."""
        rays = rotation @ self._rays
        eye = position + rotation @ MOUNT
        floor = cv2.warpPerspective(
            self._pattern,
            self._to_pattern(rays, eye),
            self._size,
            flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
            borderMode=cv2.BORDER_WRAP,
        )
        return self._under_sky(np.asarray(floor, np.uint8), rays[2])

    def _to_pattern(self, rays: Array, eye: Array) -> Array:
        """(3, 3) homography from pixels to the pattern's pixels, for what lies below the horizon."""
        ahead, height = eye[:2] % self._repeat, max(float(eye[2]), 1e-3)
        ground = np.stack([ahead[0] * rays[2] - height * rays[0], ahead[1] * rays[2] - height * rays[1]])
        scale = np.array(self._pattern.shape[1::-1])[:, None] / self._repeat
        return np.concatenate([ground * scale, rays[2:]])

    def _under_sky(self, floor: Pixels, up: Array) -> Pixels:
        """Blend the floor into haze and sky by how steeply each pixel's ray (up dot (u, v, 1)) rises."""
        rise = (up[0] * self._columns + up[2]).astype(np.float32) + np.float32(up[1]) * self._rows
        shade = np.clip(rise * 400.0, 0, 255).astype(np.uint8)
        sky = cv2.applyColorMap(shade, self._sky)
        near, far = FOG_SLOPES[1], FOG_SLOPES[0]
        weight = np.clip((-rise - far) / (near - far), 0.0, 1.0)
        blended = cv2.blendLinear(floor, sky, weight, 1.0 - weight)
        return np.asarray(blended, np.uint8)
