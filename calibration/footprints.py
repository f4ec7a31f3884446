"""Where the body is over feet that stay where they are: the feet are balls, which roll when their legs lean."""

from collections.abc import Sequence

import numpy as np

from leash_robot.calibration.pose import Pose, closest_turn
from leash_robot.robot.bodies.pupper.kinematics import forward
from leash_robot.robot.spec import Legs
from leash_robot.robot.types import Array

ROUNDS = 3
"""In which footprints, rolling and the body's poses are made to agree."""


def stance_poses(joint_pos: Array, legs: Legs) -> list[Pose]:
    """Where the body is in each stance (v, 12), in the frame of the first one, over feet that roll but do not slip."""
    feet = forward(joint_pos, legs)
    first = feet[0]
    up = np.cross(first[1] - first[2], first[3] - first[0])
    up = up / np.linalg.norm(up)
    rolled = np.zeros_like(feet)
    for _ in range(ROUNDS):
        poses = [_placed(own, first + shift) for own, shift in zip(feet, rolled, strict=True)]
        # Footprints common to all stances: those of the first, refined by the others, since each has its own errors
        first = np.mean(
            [own @ pose.rotation.T + pose.place - shift for own, pose, shift in zip(feet, poses, rolled, strict=True)],
            axis=0,
        )
        rolled = _rolled(poses, joint_pos, legs.foot_radius * up)
    return [poses[0].inverse @ pose for pose in poses]


def _placed(own: Array, others: Array) -> Pose:
    """The pose that brings points (n, 3) closest to others."""
    turn = closest_turn(own - own.mean(axis=0), others - others.mean(axis=0))
    return Pose(turn, others.mean(axis=0) - turn @ own.mean(axis=0))


def _rolled(poses: Sequence[Pose], joint_pos: Array, radius: Array) -> Array:
    """(v, 4, 3) how far the feet's centres have moved by rolling since the first stance; `radius` (3,) points up."""
    shanks = [shank_turns(pose.rotation, joints) for pose, joints in zip(poses, joint_pos, strict=True)]
    return np.array([rolling(each, shanks[0], radius) for each in shanks])


def rolling(now: Sequence[Array], then: Sequence[Array], radius: Array) -> Array:
    """(4, 3) how far balls at the ends of shanks have moved by rolling, since the shanks were turned as `then`."""
    turns = [Pose(after @ before.T, radius).vector[:3] for after, before in zip(now, then, strict=True)]
    return np.cross(turns, radius)


def shank_turns(body: Array, joint_pos: Array) -> list[Array]:
    """Rotations (3, 3) of the four shanks, for a body's rotation and its joints (12,)."""
    return [body @ _about_x(leg[0]) @ _about_y(leg[1] + leg[2]) for leg in joint_pos.reshape(4, 3)]


def _about_x(angle: float) -> Array:
    return np.array([[1.0, 0.0, 0.0], [0.0, np.cos(angle), -np.sin(angle)], [0.0, np.sin(angle), np.cos(angle)]])


def _about_y(angle: float) -> Array:
    return np.array([[np.cos(angle), 0.0, np.sin(angle)], [0.0, 1.0, 0.0], [-np.sin(angle), 0.0, np.cos(angle)]])
