"""Pictures of the robot from outside, by PyBullet's software renderer: no display and no graphics library needed."""

import math
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Self

import cv2
import numpy as np
from numpy.typing import NDArray

from leash_robot.robot.cameras.image import Pixels
from leash_robot.robot.types import Array
from leash_robot.sim.pybullet.camera import HAZE, ZENITH, checker
from leash_robot.sim.pybullet.client import pybullet
from leash_robot.sim.pybullet.urdf import ASSET

FLOOR = 3.0
"""Half the side of the floor that is drawn around the robot [m]."""
SQUARE = 0.25
"""Side of a square of its checker, and with it the grid on which the floor follows the robot [m]."""
CLEAR = 1.2
"""How far one sees without haze; at `FLOOR` it covers everything [m]."""
NEAR, FAR = 0.05, 12.0
"""Distances between which things are drawn [m]."""
SKY = math.radians(25)
"""How high above the horizon the haze ends [rad]."""
LIGHT = (0.6, 0.5, 1.3)
FIELD = 36.0
"""Vertical field of view [deg]."""


class Studio:
    """A robot that only poses: draws any pose, of this simulator, the twin, or a recording. Use it as a context."""

    def __init__(self, width: int = 640, height: int = 480) -> None:
        self._size = (width, height)
        self.client: int = pybullet.connect(pybullet.DIRECT)
        """The renderer's number, for things of one's own in the picture; negative once closed."""
        self._body: int = pybullet.loadURDF(str(ASSET), useFixedBase=True, physicsClientId=self.client)
        self._com = np.array(pybullet.getDynamicsInfo(self._body, -1, self.client)[3])
        self._floor = self._lay_floor()
        self._rise = np.arctan((0.5 - (np.arange(height) + 0.5) / height) * 2 * math.tan(math.radians(FIELD / 2)))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def close(self) -> None:
        """Free the memory; twice does no harm."""
        if self.client >= 0:
            pybullet.disconnect(self.client)
        self.client = -1

    def _lay_floor(self) -> int:
        shape = pybullet.createVisualShape(
            pybullet.GEOM_BOX, halfExtents=[FLOOR, FLOOR, 0.005], rgbaColor=[1, 1, 1, 1], physicsClientId=self.client
        )
        floor: int = pybullet.createMultiBody(0, -1, shape, physicsClientId=self.client)
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "floor.png"
            # Note: the engine spreads a texture over four times the face of a box.
            cv2.imwrite(str(file), checkered(4 * round(FLOOR / SQUARE))[..., ::-1])
            texture = pybullet.loadTexture(str(file), physicsClientId=self.client)
        pybullet.changeVisualShape(floor, -1, textureUniqueId=texture, physicsClientId=self.client)
        return floor

    def draw(
        self,
        position: Array,
        rotation: Array,
        joint_pos: Sequence[float] | Array,
        *,
        yaw: float = 50.0,
        pitch: float = -18.0,
        distance: float = 0.75,
        roll: float = 0.0,
    ) -> Pixels:
        """The picture (h, w, 3) RGB of a body frame at `position` (3,) [m], `rotation` (3, 3), joints (12,) [rad].

        The camera looks at the robot from `distance` [m], `yaw`, `pitch` and `roll` [deg] in the world frame.
        """
        self._pose(position, rotation, joint_pos)
        width, height = self._size
        target = [float(position[0]), float(position[1]), 0.1]
        view = pybullet.computeViewMatrixFromYawPitchRoll(target, distance, yaw, pitch, roll, 2)
        lens = pybullet.computeProjectionMatrixFOV(FIELD, width / height, NEAR, FAR)
        _, _, rgb, depth, _ = pybullet.getCameraImage(
            width,
            height,
            view,
            lens,
            lightDirection=LIGHT,
            lightDistance=3,
            shadow=1,
            lightAmbientCoeff=0.6,
            lightDiffuseCoeff=0.45,
            lightSpecularCoeff=0.1,
            renderer=pybullet.ER_TINY_RENDERER,
            physicsClientId=self.client,
        )
        pixels = np.asarray(rgb, np.uint8).reshape(height, width, 4)[..., :3]
        return self._hazy(pixels, np.asarray(depth, np.float32).reshape(height, width), math.radians(pitch))

    def _hazy(self, pixels: Pixels, depth: NDArray[np.float32], pitch: float) -> Pixels:
        """Fade what is far into the haze, and put the sky behind it."""
        distance = NEAR * FAR / (FAR - depth * (FAR - NEAR))
        clear = np.clip((FLOOR - distance) / (FLOOR - CLEAR), 0.0, 1.0)
        up = np.clip((self._rise + pitch) / SKY, 0.0, 1.0)[:, None, None]
        sky = HAZE + up * (ZENITH.astype(np.float64) - HAZE)
        return np.asarray(sky + clear[..., None] * (pixels - sky), np.float64).astype(np.uint8)

    def _pose(self, position: Array, rotation: Array, joint_pos: Sequence[float] | Array) -> None:
        centre = position + rotation @ self._com
        pybullet.resetBasePositionAndOrientation(self._body, centre, quaternion(rotation), physicsClientId=self.client)
        for joint, angle in enumerate(joint_pos):
            pybullet.resetJointState(self._body, joint, float(angle), physicsClientId=self.client)
        # Note: moved by whole pairs of squares, the floor seems to stand still and never ends.
        under = np.round(position[:2] / (2 * SQUARE)) * 2 * SQUARE
        pybullet.resetBasePositionAndOrientation(
            self._floor, [*under, -0.005], [0, 0, 0, 1], physicsClientId=self.client
        )


def checkered(count: int) -> Pixels:
    """The floor's pattern, `count` times two squares along a side, (32 count, 32 count, 3) RGB."""
    tile = cv2.resize(checker((206, 203, 196), (150, 165, 172)), (32, 32), interpolation=cv2.INTER_AREA)
    return np.asarray(np.tile(tile, (count, count, 1)), np.uint8)


def quaternion(rotation: Array) -> list[float]:
    """x, y, z, w of a rotation matrix (3, 3); less than 1e-5 rad counts as no turn."""
    vector, _ = cv2.Rodrigues(rotation)
    angle = float(np.linalg.norm(vector))
    axis = vector.ravel() / angle if angle > 0 else np.zeros(3)
    return [*(axis * np.sin(angle / 2)).tolist(), float(np.cos(angle / 2))]
