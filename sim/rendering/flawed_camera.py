"""A camera with faults of its own: focal length, principal point, distortion, blur and noise, before MuJoCo's renderer.

Shares nothing with the code that calibrates cameras: a wide and sharp pinhole picture is drawn, and each pixel of the
flawed one looks up where its ray meets that picture.
"""

from dataclasses import dataclass

import cv2
import mujoco
import numpy as np
from numpy.typing import NDArray

from leash_robot.robot.cameras.image import Pixels
from leash_robot.robot.types import Array
from leash_robot.sim.rendering.lens import Exposure, Lens, draw_exposure
from leash_robot.sim.rendering.twin_camera import Renderer
from leash_robot.sim.twin.model import CAMERA_DOWN

SAMPLES = 2
"""Along each side of a pixel."""
NOMINAL_FOCAL = 526.6
"""Of the twin's head camera at 640x480 [pixels]."""
NOMINAL_PLACE = (0.136, 0.0, 0.022)
WIDE = (1600, 1200)
"""Of the picture that is looked up in."""


@dataclass(frozen=True, eq=False)
class Flaws:
    """What one camera of 640x480 is like; the centre of the upper left pixel is (0, 0)."""

    focal: tuple[float, float]
    """[pixels]"""
    centre: tuple[float, float]
    """Principal point [pixels]."""
    radial: tuple[float, float, float]
    """Growth of the radius with its 2nd, 4th and 6th power."""
    tangential: tuple[float, float]
    exposure: Exposure
    place: Array
    """(3,) in the body frame [m]."""
    axes: Array
    """(3, 3) its right, its down and its view as columns, in the body frame."""


def draw_flaws(rng: np.random.Generator) -> Flaws:
    """A random camera: focal length +-10 %, principal point +-16 pixels, moved by 10 mm and turned by 5 degrees."""
    focal = NOMINAL_FOCAL * rng.uniform(0.9, 1.1)
    turn, _ = cv2.Rodrigues(np.radians(5.0) * _direction(rng))
    return Flaws(
        focal=(focal, focal * rng.uniform(0.99, 1.01)),
        centre=(319.5 + rng.uniform(-16, 16), 239.5 + rng.uniform(-16, 16)),
        radial=(rng.uniform(-0.15, 0.08), rng.uniform(0.0, 0.05), 0.0),
        tangential=(rng.uniform(-2e-3, 2e-3), rng.uniform(-2e-3, 2e-3)),
        exposure=draw_exposure(rng),
        place=np.array(NOMINAL_PLACE) + 0.010 * _direction(rng),
        axes=nominal_axes() @ turn,
    )


def nominal_axes() -> Array:
    """(3, 3) right, down and view of the head camera as columns, in the body frame."""
    right, up = np.array([0.0, -1.0, 0.0]), np.array([CAMERA_DOWN, 0.0, 1.0]) / np.hypot(CAMERA_DOWN, 1.0)
    axes: Array = np.stack([right, -up, np.cross(up, right)], axis=1)
    return axes


class FlawedCamera:
    """Takes pictures with the twin's head camera as `flaws` have it, of the scene in `model`."""

    def __init__(self, flaws: Flaws, model: mujoco.MjModel, size: tuple[int, int] = (640, 480)) -> None:
        self._size = size
        across, down = _rays(flaws, size)
        width, height = WIDE
        reach = 1.02 * max(np.abs(across).max() / width, np.abs(down).max() / height)
        self._focal = 0.5 / reach
        self._map = (
            (across * self._focal + (width - 1) / 2).astype(np.float32),
            (down * self._focal + (height - 1) / 2).astype(np.float32),
        )
        head = model.camera("head").id
        model.cam_fovy[head] = 2 * np.degrees(np.arctan(height / 2 / self._focal))
        model.cam_pos[head] = flaws.place
        mujoco.mju_mat2Quat(model.cam_quat[head], (flaws.axes * [1, -1, -1]).ravel())
        self._renderer = Renderer(width, height, model=model)
        self._lens = Lens(flaws.exposure, size[1], size[0])

    def picture(self, qpos: Array, smear: float = 0.0) -> Pixels:
        """(h, w, 3) RGB from the robot's pose `qpos` (19,); moved sideways by `smear` pixels while exposed."""
        sharp = self._renderer.render(qpos)
        fine = cv2.remap(sharp, *self._map, cv2.INTER_LINEAR)
        scene = cv2.resize(fine, self._size, interpolation=cv2.INTER_AREA)
        if smear >= 1:
            scene = cv2.blur(scene, (round(smear), 1))
        return self._lens.through(np.asarray(scene, np.uint8))

    def close(self) -> None:
        """Free what the graphics library holds."""
        self._renderer.close()


def _rays(flaws: Flaws, size: tuple[int, int]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Slopes to the right and down of the ray of every sample, each (h * SAMPLES, w * SAMPLES).

    Distortion maps a ray's slope to where it is seen; here it is inverted, by iteration.
    """
    width, height = size
    u = (np.arange(width * SAMPLES) + 0.5) / SAMPLES - 0.5
    v = (np.arange(height * SAMPLES) + 0.5) / SAMPLES - 0.5
    seen_x, seen_y = np.meshgrid((u - flaws.centre[0]) / flaws.focal[0], (v - flaws.centre[1]) / flaws.focal[1])
    x, y = seen_x.copy(), seen_y.copy()
    (a, b, c), (p, q) = flaws.radial, flaws.tangential
    for _ in range(30):
        square = x * x + y * y
        growth = 1 + square * (a + square * (b + square * c))
        x, y = (
            (seen_x - 2 * p * x * y - q * (square + 2 * x * x)) / growth,
            (seen_y - 2 * q * x * y - p * (square + 2 * y * y)) / growth,
        )
    return x, y


def _direction(rng: np.random.Generator) -> Array:
    vector = rng.normal(size=3)
    unit: Array = vector / np.linalg.norm(vector)
    return unit
