"""Pictures of the twin by PyBullet's own renderer, for machines without any OpenGL: small, plain and slow."""

import mujoco
import numpy as np

from leash_robot.robot.cameras.image import Pixels
from leash_robot.robot.types import Array
from leash_robot.sim.pybullet.client import pybullet
from leash_robot.sim.rendering.room import CHASE, View, build_scene

WIDTH, HEIGHT = 160, 120
SHAPES = {
    int(mujoco.mjtGeom.mjGEOM_SPHERE): pybullet.GEOM_SPHERE,
    int(mujoco.mjtGeom.mjGEOM_CAPSULE): pybullet.GEOM_CAPSULE,
    int(mujoco.mjtGeom.mjGEOM_CYLINDER): pybullet.GEOM_CYLINDER,
    int(mujoco.mjtGeom.mjGEOM_BOX): pybullet.GEOM_BOX,
}
WOOD = (0.80, 0.67, 0.50, 1.0)


class TinyRenderer:
    """Fits `Drawn`: the shapes of the MuJoCo scene, moved about as loose bodies."""

    def __init__(self) -> None:
        self._model = build_scene()
        self._data = mujoco.MjData(self._model)
        self._client = pybullet.connect(pybullet.DIRECT)
        self._bodies = {geom: self._add(geom) for geom in range(self._model.ngeom) if self._visible(geom)}

    def render(self, qpos: Array, view: View = "head") -> Pixels:
        """(120, 160, 3) uint8 RGB of the pose `qpos` (19,)."""
        self._data.qpos[:] = qpos
        mujoco.mj_kinematics(self._model, self._data)
        mujoco.mj_camlight(self._model, self._data)
        for geom, body in self._bodies.items():
            self._move(geom, body)
        pixels = pybullet.getCameraImage(
            WIDTH,
            HEIGHT,
            self._look(qpos, view),
            pybullet.computeProjectionMatrixFOV(49.0, WIDTH / HEIGHT, 0.02, 20.0),
            renderer=pybullet.ER_TINY_RENDERER,
            shadow=0,
            physicsClientId=self._client,
        )[2]
        return np.reshape(np.asarray(pixels, np.uint8), (HEIGHT, WIDTH, 4))[..., :3].copy()

    def close(self) -> None:
        """Free the simulator."""
        pybullet.disconnect(self._client)

    def _visible(self, geom: int) -> bool:
        return self._model.geom_type[geom] in SHAPES and self._model.geom_group[geom] < 3

    def _add(self, geom: int) -> int:
        size = self._model.geom_size[geom]
        colour = WOOD if self._model.geom_matid[geom] >= 0 else self._model.geom_rgba[geom]
        shape = pybullet.createVisualShape(
            SHAPES[self._model.geom_type[geom]],
            radius=size[0],
            length=2 * size[1],
            halfExtents=list(size),
            rgbaColor=list(colour),
            physicsClientId=self._client,
        )
        body: int = pybullet.createMultiBody(0.0, -1, shape, physicsClientId=self._client)
        self._move(geom, body)
        return body

    def _move(self, geom: int, body: int) -> None:
        quaternion = np.zeros(4)
        mujoco.mju_mat2Quat(quaternion, self._data.geom_xmat[geom])
        place = self._data.geom_xpos[geom]
        pybullet.resetBasePositionAndOrientation(
            body, list(place), list(np.roll(quaternion, -1)), physicsClientId=self._client
        )

    def _look(self, qpos: Array, view: View) -> tuple[float, ...]:
        if view == "chase":
            target = [qpos[0], qpos[1], 0.1]
            matrix = pybullet.computeViewMatrixFromYawPitchRoll(
                target, CHASE["distance"], CHASE["azimuth"] - 90, CHASE["elevation"], 0.0, 2
            )
        else:
            eye, axes = self._data.cam_xpos[0], self._data.cam_xmat[0].reshape(3, 3)
            matrix = pybullet.computeViewMatrix(list(eye), list(eye - axes[:, 2]), list(axes[:, 1]))
        looked: tuple[float, ...] = matrix
        return looked
