"""Closed-form forward and inverse kinematics of four identical three-joint legs.

Legs are front right, front left, back right, back left; joints abduction (about x), hip (about y), knee (about y), by
the right-hand rule about the body axes. Zero is a leg straight down. Derived from the geometry in `Legs`.
"""

import numpy as np

from leash_robot.robot.errors import KinematicsError
from leash_robot.robot.spec import Legs
from leash_robot.robot.types import Array

SIDE = np.array([-1.0, 1.0, -1.0, 1.0])
FRONT = np.array([1.0, 1.0, -1.0, -1.0])


def hips(legs: Legs) -> Array:
    """(4, 3) where the abduction axes cross the hip-pitch planes, in the body frame [m]."""
    return np.stack([FRONT * legs.hip_x, SIDE * legs.hip_y, np.zeros(4)], axis=-1)


def forward(joint_pos: Array, legs: Legs) -> Array:
    """Foot centres (..., 4, 3) in the body frame [m] for joint angles (..., 12) [rad]."""
    abduction, hip, knee = np.moveaxis(joint_pos.reshape(*joint_pos.shape[:-1], 4, 3), -1, 0)
    x = -legs.thigh * np.sin(hip) - legs.shank * np.sin(hip + knee)
    down = legs.thigh * np.cos(hip) + legs.shank * np.cos(hip + knee)
    side = SIDE * legs.offset
    y = side * np.cos(abduction) + down * np.sin(abduction)
    z = side * np.sin(abduction) - down * np.cos(abduction)
    return np.stack([x, y, z], axis=-1) + hips(legs)


def inverse(feet: Array, legs: Legs) -> Array:
    """Joint angles (..., 12) [rad] that put the foot centres (..., 4, 3) there; knees bend backward (negative).

    Of two solutions it is the one with the foot below the hip in the leg's own plane.

    Raises KinematicsError for a foot out of reach, or closer to the abduction axis than the leg's lateral offset.
    """
    x, y, z = np.moveaxis(feet - hips(legs), -1, 0)
    side = SIDE * legs.offset
    down2 = y**2 + z**2 - legs.offset**2
    reach2 = x**2 + down2
    longest, shortest = legs.thigh + legs.shank, abs(legs.thigh - legs.shank)
    bad = (down2 <= 0) | (reach2 > longest**2 * (1 + 1e-12)) | (reach2 < shortest**2)
    if np.any(bad):
        where = np.argwhere(bad)[0]
        foot = feet[tuple(where)]
        raise KinematicsError(
            f"foot {where[-1]} at {foot.round(4)} m is out of reach ({shortest:.3f}..{longest:.3f} m)"
        )
    down = np.sqrt(down2)
    abduction = np.arctan2(y, -z) - np.arctan2(side, down)
    cos_knee = (reach2 - legs.thigh**2 - legs.shank**2) / (2 * legs.thigh * legs.shank)
    knee = -np.arccos(np.clip(cos_knee, -1.0, 1.0))
    hip = np.arctan2(-x, down) - np.arctan2(legs.shank * np.sin(knee), legs.thigh + legs.shank * np.cos(knee))
    joints: Array = np.stack([abduction, hip, knee], axis=-1)
    return joints.reshape(*feet.shape[:-2], 12)


def jacobian(joint_pos: Array, legs: Legs) -> Array:
    """How each foot moves with its own joints (..., 4, 3, 3): rows x, y, z [m], columns abduction, hip, knee [rad].

    Foot velocity is jacobian @ joint velocity; joint torque under a force f on the foot is jacobian.T @ f.
    """
    abduction, hip, knee = np.moveaxis(joint_pos.reshape(*joint_pos.shape[:-1], 4, 3), -1, 0)
    sin, cos = np.sin(abduction), np.cos(abduction)
    low_x, low_down = -legs.shank * np.sin(hip + knee), legs.shank * np.cos(hip + knee)
    x, down = low_x - legs.thigh * np.sin(hip), low_down + legs.thigh * np.cos(hip)
    side = SIDE * legs.offset
    by_abduction = np.stack([np.zeros_like(x), down * cos - side * sin, down * sin + side * cos], axis=-1)
    by_hip = np.stack([-down, x * sin, -x * cos], axis=-1)
    by_knee = np.stack([-low_down, low_x * sin, -low_x * cos], axis=-1)
    return np.stack([by_abduction, by_hip, by_knee], axis=-1)
