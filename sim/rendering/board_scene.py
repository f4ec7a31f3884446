"""A flat, textured board in the twin's room: what the head camera is shown when it is calibrated."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import mujoco
import numpy as np

from leash_robot.robot.cameras.image import Pixels
from leash_robot.robot.errors import RobotError
from leash_robot.robot.types import Array
from leash_robot.sim.rendering.room import build_scene, png

THICKNESS = 0.002
"""[m]"""
DETAIL = 24
"""Texture pixels for each pixel of the pattern."""
NAME = "board"
PRINTED = 0.0035
"""Side of a module of a board that stands before the twin [m]."""
AHEAD, HEIGHT = 0.48, 0.125
"""Where the middle of that board is, from the place where the robot was switched on [m]."""
UPRIGHT = np.array([[0.0, 0.0, 1.0], [-1.0, 0.0, 0.0], [0.0, -1.0, 0.0]])
"""Axes of a board that faces the robot: the pattern's right, its down, and into the paper."""


@dataclass(frozen=True, eq=False)
class Pattern:
    """What is printed on it."""

    pixels: Pixels
    """(h, w) grey values, one for each module."""
    width: float
    """Of the pattern without its white border [m]."""
    border: int = 2
    """White modules around the pattern."""

    @property
    def module(self) -> float:
        """Side of a module [m]."""
        return self.width / len(self.pixels[0])


def board_scene(pattern: Pattern) -> mujoco.MjModel:
    """The room with the board in it; `place_board` says where."""
    rim = pattern.border
    grey = cv2.copyMakeBorder(pattern.pixels, rim, rim, rim, rim, cv2.BORDER_CONSTANT, value=(255,))
    large = cv2.resize(grey, None, fx=DETAIL, fy=DETAIL, interpolation=cv2.INTER_NEAREST)
    texture = np.repeat(np.asarray(large, np.uint8)[..., None], 3, axis=-1)
    model = build_scene(more=_mjcf(pattern), assets={"board.png": png(texture)})
    model.vis.global_.offwidth, model.vis.global_.offheight = 2560, 1920
    return model


def standing_board(picture: Path) -> mujoco.MjModel:
    """The room with a board that stands upright before the robot, a pixel of `picture` printed 3.5 mm large.

    Raises RobotError for what is no picture.
    """
    pixels = cv2.imread(str(picture), cv2.IMREAD_GRAYSCALE)
    if pixels is None:
        raise RobotError(f"{picture} is no picture of a board; `leash calibrate camera --board` has one")
    pattern = Pattern(np.asarray(pixels, np.uint8), pixels.shape[1] * PRINTED)
    model = board_scene(pattern)
    width, height = pattern.width, len(pixels) * PRINTED
    place_board(model, np.array([AHEAD, width / 2, HEIGHT + height / 2]), UPRIGHT)
    return model


def place_board(model: mujoco.MjModel, position: Array, rotation: Array) -> None:
    """Put the pattern's upper left corner at `position` (3,) [m]; `rotation` (3, 3) has as columns the pattern's right,
    its down, and into the paper, in world axes.
    """
    quaternion = np.zeros(4)
    mujoco.mju_mat2Quat(quaternion, np.ascontiguousarray(rotation).ravel())
    body = model.body(NAME).id
    model.body_pos[body], model.body_quat[body] = position, quaternion


def _mjcf(pattern: Pattern) -> str:
    """A slab whose front face carries the texture, corner to corner; its other vertices lie in the white border."""
    rows, columns = pattern.pixels.shape
    rim, module = pattern.border, pattern.module
    left, top = -rim * module, -rim * module
    right, bottom = (columns + rim) * module, (rows + rim) * module
    plan = [(left, top, 0, 0), (right, top, 1, 0), (right, bottom, 1, 1), (left, bottom, 0, 1)]
    vertices = [(x, y, z) for z in (0.0, THICKNESS) for x, y, _, _ in plan]
    spots = [(u, v) if front else (0.001, 0.001) for front in (True, False) for _, _, u, v in plan]
    front = [(0, 2, 1), (0, 3, 2)]
    back = [(4, 5, 6), (4, 6, 7)]
    sides = [face for a in range(4) for b in [(a + 1) % 4] for face in ((a, b, b + 4), (a, b + 4, a + 4))]
    return f"""
  <asset>
    <texture name="{NAME}" type="2d" file="board.png"/>
    <material name="{NAME}" texture="{NAME}" specular="0" shininess="0" reflectance="0"/>
    <mesh name="{NAME}" inertia="shell" vertex="{_list(vertices)}" texcoord="{_list(spots)}"
          face="{_list([*front, *back, *sides])}"/>
  </asset>
  <worldbody>
    <body name="{NAME}" pos="0 0 -5">
      <geom type="mesh" mesh="{NAME}" material="{NAME}" contype="0" conaffinity="0"/>
    </body>
  </worldbody>"""


def _list(rows: Sequence[Sequence[float]]) -> str:
    return " ".join(f"{value:.9g}" for row in rows for value in row)
