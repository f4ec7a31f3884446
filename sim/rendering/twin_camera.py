"""Pictures of the twin: its own head camera and a view from outside, drawn by MuJoCo without a display.

Software rendering is fast once shadows, reflections and multisampling are off. Where the machine has no OpenGL library
at all, PyBullet's own renderer draws smaller and plainer pictures.
"""

import ctypes.util
import importlib
import os
from typing import Protocol

import mujoco
import numpy as np

from leash_robot.robot.cameras.image import Pixels
from leash_robot.robot.types import Array
from leash_robot.sim.rendering.room import CHASE, View, build_scene

LIBRARIES = {"egl": "EGL", "osmesa": "OSMesa"}


class Drawn(Protocol):
    """Anything that draws the twin."""

    def render(self, qpos: Array, view: View = "head") -> Pixels:
        """(h, w, 3) uint8 RGB of the pose `qpos` (19,)."""
        ...

    def close(self) -> None:
        """Free what the graphics library holds."""
        ...


class Renderer:
    """Fits `Drawn`, by MuJoCo on OpenGL; belongs to the thread that makes it. Raises RuntimeError without OpenGL."""

    def __init__(
        self, width: int = 640, height: int = 480, *, fine: bool = False, model: mujoco.MjModel | None = None
    ) -> None:
        self.width, self.height = width, height
        self._gl = _context(width, height)
        self._gl.make_current()
        self._model = model or build_scene(fine=fine)
        self._data = mujoco.MjData(self._model)
        self._context = mujoco.MjrContext(self._model, mujoco.mjtFontScale.mjFONTSCALE_100)
        mujoco.mjr_setBuffer(mujoco.mjtFramebuffer.mjFB_OFFSCREEN, self._context)
        self._scene = mujoco.MjvScene(self._model, maxgeom=200)
        for flag in (mujoco.mjtRndFlag.mjRND_SHADOW, mujoco.mjtRndFlag.mjRND_REFLECTION):
            self._scene.flags[flag] = fine
        self._option = mujoco.MjvOption()
        self._fine = fine
        self._cameras = {"head": _fixed(self._model), "chase": _chasing()}
        self._pixels = np.zeros((height, width, 3), np.uint8)

    def render(self, qpos: Array, view: View = "head") -> Pixels:
        """(h, w, 3) uint8 RGB of the pose `qpos` (19,): body position, orientation (w first), joint angles."""
        self._gl.make_current()
        self._data.qpos[:] = qpos
        self._data.mocap_pos[0, :2] = qpos[:2]
        self._data.mocap_quat[0] = _heading(qpos[3:7])
        # The part of the floor that can lie in shadow moves with the robot.
        self._model.light_pos[0, :2] = qpos[:2] - 2.0 * self._model.light_dir[0, :2]
        mujoco.mj_kinematics(self._model, self._data)
        mujoco.mj_comPos(self._model, self._data)
        mujoco.mj_camlight(self._model, self._data)
        camera = self._cameras[view]
        self._option.geomgroup[3] = view == "chase" and not self._fine
        if view == "chase":
            camera.lookat[:] = (qpos[0], qpos[1], 0.1)
        everything = mujoco.mjtCatBit.mjCAT_ALL
        mujoco.mjv_updateScene(self._model, self._data, self._option, None, camera, everything, self._scene)
        area = mujoco.MjrRect(0, 0, self.width, self.height)
        mujoco.mjr_render(area, self._scene, self._context)
        mujoco.mjr_readPixels(self._pixels, None, area, self._context)
        return np.flipud(self._pixels).copy()

    def close(self) -> None:
        """Free what the graphics library holds."""
        self._context.free()
        self._gl.free()


class OpenGL(Protocol):
    """What draws for us; MuJoCo's own wrappers fit."""

    def make_current(self) -> None:
        """Draw from this thread."""
        ...

    def free(self) -> None:
        """Give everything back."""
        ...


def _context(width: int, height: int) -> OpenGL:
    """An OpenGL context without a display, from the first library that works."""
    wanted = os.environ.get("MUJOCO_GL", "").lower()
    problems = []
    for name in [wanted] if wanted in LIBRARIES else LIBRARIES:
        if ctypes.util.find_library(LIBRARIES[name]) is None:
            problems.append(f"no lib{LIBRARIES[name]}")
            continue
        try:
            context: OpenGL = importlib.import_module(f"mujoco.{name}").GLContext(width, height)
            return context
        except (ImportError, RuntimeError, AttributeError) as error:
            problems.append(f"{name}: {error}")
    raise RuntimeError(f"no OpenGL without a display ({'; '.join(problems)}); install libegl1-mesa or libosmesa6")


def _heading(quaternion: Array) -> Array:
    """The part of an orientation (4,) that turns about the vertical."""
    w, _, _, z = quaternion
    length = float(np.hypot(w, z)) or 1.0
    return np.array([w / length, 0.0, 0.0, z / length])


def _fixed(model: mujoco.MjModel) -> mujoco.MjvCamera:
    camera = mujoco.MjvCamera()
    camera.type = mujoco.mjtCamera.mjCAMERA_FIXED
    camera.fixedcamid = model.camera("head").id
    return camera


def _chasing() -> mujoco.MjvCamera:
    camera = mujoco.MjvCamera()
    camera.type = mujoco.mjtCamera.mjCAMERA_FREE
    for name, value in CHASE.items():
        setattr(camera, name, value)
    return camera
