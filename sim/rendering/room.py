"""The room that the twin is looked at in: floor, walls, light and a few coloured things. Has no part in the physics."""

import math
from collections.abc import Mapping
from typing import Literal

import cv2
import mujoco
import numpy as np

from leash_robot.robot.cameras.image import Pixels
from leash_robot.sim.twin.dynamics import TwinDynamics
from leash_robot.sim.twin.model import document

View = Literal["head", "chase"]
"""From the robot's own camera, or from outside, following it."""
CHASE = {"azimuth": 145.0, "elevation": -18.0, "distance": 0.78}
HALF_ROOM = 8.0
"""Distance of the walls from the origin [m]."""
PLANK_LENGTH, PLANK_WIDTH = 1.2, 0.15
PIXELS_PER_METRE = 427
WOOD = (204, 170, 128)
PAPER = "0.97 0.96 0.93 1"
THINGS = (
    ("sphere", "0.11", (1.5, 0.75, 0.11), "0.82 0.20 0.16 1"),
    ("box", "0.12 0.12 0.12", (2.3, -0.95, 0.12), "0.16 0.36 0.66 1"),
    ("cylinder", "0.07 0.16", (2.9, 0.55, 0.16), "0.93 0.72 0.16 1"),
    ("capsule", "0.08 0.14", (1.4, -1.5, 0.22), "0.24 0.56 0.36 1"),
    ("box", "0.25 0.06 0.2", (3.8, 1.9, 0.2), "0.89 0.45 0.15 1"),
    ("sphere", "0.16", (4.4, -1.9, 0.16), "0.46 0.30 0.58 1"),
    ("cylinder", "0.1 0.1", (-1.3, 1.3, 0.1), "0.16 0.55 0.60 1"),
    ("box", "0.14 0.1 0.09", (-1.7, -1.0, 0.09), "0.75 0.30 0.42 1"),
    ("cylinder", "0.08 0.25", (0.2, 2.4, 0.25), "0.30 0.32 0.36 1"),
    ("capsule", "0.06 0.2", (0.4, -2.6, 0.26), "0.92 0.60 0.40 1"),
)
POSTERS = ("0.82 0.20 0.16 1", "0.16 0.36 0.66 1", "0.93 0.72 0.16 1", "0.24 0.56 0.36 1")


def build_scene(*, fine: bool = False, more: str = "", assets: Mapping[str, bytes] | None = None) -> mujoco.MjModel:
    """The nominal robot in its room; `fine` adds shadows and smooth edges, at several times the cost.

    `more` is MJCF of further things in the room, and `assets` are the files that it names.
    """
    files = {"planks.png": png(planks()), **(assets or {})}
    model = mujoco.MjModel.from_xml_string(document(TwinDynamics(), _room() + more), files)
    model.vis.quality.offsamples = 4 if fine else 0
    model.vis.quality.shadowsize = 2048 if fine else 0
    model.geom("floor").group = 4
    return model


def _room() -> str:
    repeat = 1 / (2 * PLANK_LENGTH)
    return f"""
  <statistic extent="1" center="0 0 0.1"/>
  <visual>
    <global offwidth="1920" offheight="1080"/>
    <headlight ambient="0.50 0.50 0.50" diffuse="0.28 0.28 0.28" specular="0 0 0"/>
    <map znear="0.02" zfar="40" shadowclip="1"/>
  </visual>
  <asset>
    <texture name="sky" type="skybox" builtin="gradient" rgb1="0.80 0.87 0.94" rgb2="0.97 0.97 0.96"
             width="64" height="384"/>
    <texture name="planks" type="2d" file="planks.png"/>
    <material name="planks" texture="planks" texuniform="true" texrepeat="{repeat} {repeat}" specular="0.1"
              shininess="0.1"/>
  </asset>
  <worldbody>
    <light directional="true" dir="-0.35 0.25 -1" diffuse="0.45 0.44 0.41" specular="0.15 0.15 0.15"
           pos="0.7 -0.5 2"/>
    <geom type="box" size="{HALF_ROOM} {HALF_ROOM} 0.01" pos="0 0 -0.01" material="planks" conaffinity="0"/>
    <body name="shade" mocap="true">{_shade()}</body>
    {"".join(_thing(*thing) for thing in THINGS)}
    {"".join(_wall(side) for side in range(4))}
  </worldbody>"""


def _shade() -> str:
    """A soft dark patch that follows the robot, in place of a true shadow."""
    return "".join(
        f'<geom type="ellipsoid" size="{0.18 - 0.013 * ring:g} {0.125 - 0.013 * ring:g} {4e-4 + 1e-4 * ring:g}" '
        'rgba="0.1 0.06 0.03 0.065" conaffinity="0" group="3"/>'
        for ring in range(8)
    )


def _thing(kind: str, size: str, place: tuple[float, float, float], colour: str) -> str:
    x, y, z = place
    return f'<geom type="{kind}" size="{size}" pos="{x} {y} {z}" euler="0 0 {x + y}" rgba="{colour}" conaffinity="0"/>'


def _wall(side: int) -> str:
    """A wall with a skirting board and four posters."""
    parts = [
        _box((0.05, HALF_ROOM, 1.4), (HALF_ROOM + 0.05, 0, 1.4), PAPER),
        _box((0.02, HALF_ROOM, 0.06), (HALF_ROOM, 0, 0.06), "0.55 0.50 0.45 1"),
    ]
    for index in range(4):
        place = (HALF_ROOM - 0.01, 3.6 * index - 5.4, 1.3)
        parts.append(_box((0.01, 0.45, 0.6), place, POSTERS[(index + side) % 4]))
    return f'<body euler="0 0 {side * math.pi / 2}">{"".join(parts)}</body>'


def _box(half: tuple[float, float, float], place: tuple[float, float, float], colour: str) -> str:
    size, pos = (" ".join(f"{value:g}" for value in values) for values in (half, place))
    return f'<geom type="box" size="{size}" pos="{pos}" rgba="{colour}" conaffinity="0"/>'


def planks() -> Pixels:
    """A floor of wooden boards, (h, w, 3) uint8 RGB, that repeats without a seam."""
    rng = np.random.default_rng(7)
    length, width = round(PLANK_LENGTH * PIXELS_PER_METRE), round(PLANK_WIDTH * PIXELS_PER_METRE)
    rows = round(2 * PLANK_LENGTH / PLANK_WIDTH)
    image = np.zeros((rows * width, 2 * length, 3), np.float32)
    for row in range(rows):
        start = int(rng.integers(2 * length))
        for half in range(2):
            board = _board(rng, width, length)
            columns = (start + half * length + np.arange(length)) % (2 * length)
            image[row * width : (row + 1) * width, columns] = board
    pixels: Pixels = np.clip(image, 0, 255).astype(np.uint8)
    return pixels


def _board(rng: np.random.Generator, width: int, length: int) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
    """One board with its grain and dark edges."""
    coarse = rng.normal(0, 1, (width, length // 48)).astype(np.float32)
    grain = cv2.GaussianBlur(cv2.resize(coarse, (length, width), interpolation=cv2.INTER_CUBIC), (0, 0), 1.2)
    board = np.array(WOOD, np.float32) * float(rng.uniform(0.82, 1.06)) + 9.0 * grain[..., None]
    board[:2] *= 0.62
    board[:, :2] *= 0.62
    return board.astype(np.float32)


def png(pixels: Pixels) -> bytes:
    """A picture (h, w, 3) RGB as the bytes of a PNG file."""
    return cv2.imencode(".png", pixels[..., ::-1])[1].tobytes()
