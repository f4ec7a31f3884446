"""The firmware's Cartesian mode: an impedance at each foot, turned into joint currents by the leg's Jacobian."""

import math

import numpy as np

from leash_robot.robot.types import Array

THIGH, SHANK = 0.08, 0.11
SIDE_OFFSET: Array = 0.01 * np.array([-1.0, 1, -1, 1])
"""Note: the firmware's lateral figures are not those of the robot; kept, since this is how it behaves [m]."""
HIPS: Array = np.array([[0.1, -0.06, 0], [0.1, 0.06, 0], [-0.1, -0.06, 0], [-0.1, 0.06, 0]])
KNEE_SOFT_LIMIT = -math.pi / 6
"""[rad]"""


def feet(joints: Array) -> Array:
    """Feet (4, 3) relative to their hips [m] for joint angles (4, 3)."""
    abduction, hip, knee = joints.T
    x = -THIGH * np.sin(hip) - SHANK * np.sin(hip + knee)
    z = -THIGH * np.cos(hip) - SHANK * np.cos(hip + knee)
    cos, sin = np.cos(abduction), np.sin(abduction)
    return np.stack([x, SIDE_OFFSET * cos - z * sin, SIDE_OFFSET * sin + z * cos], axis=1)


def jacobians(joints: Array) -> Array:
    """(4, 3, 3) change of each foot's x, y, z with its abduction, hip, knee [m/rad]."""
    abduction, hip, knee = joints.T
    x = -THIGH * np.sin(hip) - SHANK * np.sin(hip + knee)
    z = -THIGH * np.cos(hip) - SHANK * np.cos(hip + knee)
    knee_x, knee_z = -SHANK * np.cos(hip + knee), SHANK * np.sin(hip + knee)
    cos, sin = np.cos(abduction), np.sin(abduction)
    rows = [
        [np.zeros(4), z, knee_x],
        [-SIDE_OFFSET * sin - z * cos, sin * x, -sin * knee_z],
        [SIDE_OFFSET * cos - z * sin, -cos * x, cos * knee_z],
    ]
    return np.moveaxis(np.array(rows), 2, 0)


class CartesianLaw:
    """Gains, reference and feed-forward force of the four feet; all zero after boot."""

    def __init__(self) -> None:
        self.kp: Array = np.zeros(3)
        self.kd: Array = np.zeros(3)
        self.force: Array = np.zeros((4, 3))
        self.reference: Array = feet(np.zeros((4, 3))) + HIPS

    def currents(self, pos: Array, vel: Array, max_current: float, knee_kp: float) -> Array:
        """Joint currents (12,) [A]; a leg that asks for too much is scaled so that its force keeps its direction."""
        joints = pos.reshape(4, 3)
        jacobian = jacobians(joints)
        velocity = (jacobian @ vel.reshape(4, 3, 1))[..., 0]
        force = self.kp * (self.reference - HIPS - feet(joints)) - self.kd * velocity + self.force
        current = (jacobian.transpose(0, 2, 1) @ force[..., None])[..., 0]
        largest = np.abs(current).max(axis=1, keepdims=True)
        current = np.where(largest > max_current, current * max_current / np.maximum(largest, 1e-12), current)
        knee = joints[:, 2]
        current[:, 2] += np.where(knee > KNEE_SOFT_LIMIT, knee_kp * (KNEE_SOFT_LIMIT - knee), 0.0)
        flat: Array = current.reshape(12)
        return flat
