"""A picture of one drawn machine on its floor: sagging as it does, with its load, on its slope and its bumps."""

import math
import tempfile
from pathlib import Path

import cv2
import numpy as np

from leash_robot.robot.cameras.image import Pixels
from leash_robot.robot.types import Array
from leash_robot.sim.pybullet.client import pybullet
from leash_robot.sim.pybullet.robot import SimPupper
from leash_robot.sim.pybullet.urdf import PAYLOAD_AT
from leash_robot.sim.rendering.studio import SQUARE, Studio, checkered, quaternion

YAW, PITCH, DISTANCE = 28.0, -14.0, 0.72
"""Where the camera stands: to the robot's right, a little behind [deg, deg, m]."""
ROUGH = 1.5
"""Half the side of the bumps that are drawn [m]."""
STEEPER = 3.0
"""Bumps are shaded as if they were so much steeper, or nobody would see a centimetre."""
LOAD_SIDE = 0.06
"""Side of a load of a quarter of a kilogram [m]."""
ICE, WOOD, RUBBER = (0.72, 0.90, 1.10), (1.0, 0.95, 0.88), (0.74, 0.66, 0.62)
"""Tints of a floor with a friction of 0.3, 0.8 and 1.3."""


def portrait(robot: SimPupper, width: int = 480, height: int = 340) -> Pixels:
    """The robot as it stands now, (height, width, 3) RGB; up in the picture is against gravity."""
    dynamics, world = robot.dynamics, robot.world
    position, rotation = world.pose()
    with Studio(width, height) as studio:
        _lay(studio, robot)
        if dynamics.payload > 0.0:
            _load(studio, dynamics.payload, position, rotation)
        roll = dynamics.slope_deg * math.cos(math.radians(YAW))
        joints = [joint[0] for joint in world.sample().joints]
        return studio.draw(position, rotation, joints, yaw=YAW, pitch=PITCH, distance=DISTANCE, roll=roll)


def _lay(studio: Studio, robot: SimPupper) -> None:
    """Cover the studio's floor with the one that the robot stands on, in the colour of its friction."""
    if robot.world.terrain:
        x, y, heights = robot.world.terrain.patch(ROUGH)
    else:
        x = y = np.array([-ROUGH, ROUGH])
        heights = np.zeros((2, 2))
    corners = triangles(x, y, heights)
    shape = pybullet.createVisualShape(
        pybullet.GEOM_MESH,
        vertices=corners.reshape(-1, 3).tolist(),
        indices=list(range(3 * len(corners))),
        uvs=(corners.reshape(-1, 3)[:, :2] / (2 * ROUGH) + 0.5).tolist(),
        normals=np.repeat(_normals(corners), 3, axis=0).tolist(),
        physicsClientId=studio.client,
    )
    body = pybullet.createMultiBody(0, -1, shape, basePosition=[0, 0, 0.001], physicsClientId=studio.client)
    tint = [*_tint(robot.dynamics.friction), 1.0]
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "floor.png"
        cv2.imwrite(str(file), checkered(round(ROUGH / SQUARE))[..., ::-1])
        texture = pybullet.loadTexture(str(file), physicsClientId=studio.client)
    pybullet.changeVisualShape(body, -1, textureUniqueId=texture, rgbaColor=tint, physicsClientId=studio.client)


def triangles(x: Array, y: Array, heights: Array) -> Array:
    """(k, 3, 3) corners of the surface over the points x (n,) and y (m,) with heights (n, m), seen from above."""
    points = np.stack([*np.meshgrid(x, y, indexing="ij"), heights], axis=-1)
    a, b, c, d = points[:-1, :-1], points[:-1, 1:], points[1:, :-1], points[1:, 1:]
    halves = [np.stack(corners, axis=2).reshape(-1, 3, 3) for corners in ((a, c, b), (b, c, d))]
    return np.concatenate(halves)


def _normals(corners: Array) -> Array:
    across = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    across[:, :2] *= STEEPER
    normals: Array = across / np.linalg.norm(across, axis=1, keepdims=True)
    return normals


def _tint(friction: float) -> list[float]:
    known = np.array([ICE, WOOD, RUBBER])
    return [float(np.interp(friction, [0.3, 0.8, 1.3], column)) for column in known.T]


def _load(studio: Studio, payload: float, position: Array, rotation: Array) -> None:
    side = LOAD_SIDE * (payload / 0.25) ** (1 / 3)
    shape = pybullet.createVisualShape(
        pybullet.GEOM_BOX, halfExtents=[side / 2] * 3, rgbaColor=[0.79, 0.62, 0.30, 1], physicsClientId=studio.client
    )
    x, y, z = PAYLOAD_AT
    place = position + rotation @ np.array([x, y, z + side / 2 - 0.015])
    pybullet.createMultiBody(
        0, -1, shape, basePosition=place.tolist(), baseOrientation=quaternion(rotation), physicsClientId=studio.client
    )
