"""Where one frame is in another, and the turn that brings points closest to others."""

from dataclasses import dataclass

import cv2
import numpy as np

from leash_robot.robot.types import Array


@dataclass(frozen=True, eq=False)
class Pose:
    """Where one frame is in another."""

    rotation: Array
    """(3, 3)"""
    place: Array
    """(3,) [m]"""

    def __matmul__(self, inner: "Pose") -> "Pose":
        return Pose(self.rotation @ inner.rotation, self.rotation @ inner.place + self.place)

    @property
    def inverse(self) -> "Pose":
        """The other frame in this one."""
        return Pose(self.rotation.T, -self.rotation.T @ self.place)

    @property
    def vector(self) -> Array:
        """(6,) rotation vector [rad], then place [m]."""
        return np.concatenate([cv2.Rodrigues(self.rotation)[0].ravel(), self.place])

    @classmethod
    def of(cls, vector: Array) -> "Pose":
        """From `vector`."""
        return cls(np.asarray(cv2.Rodrigues(np.ascontiguousarray(vector[:3]))[0], dtype=np.float64), vector[3:].copy())


def closest_turn(own: Array, others: Array) -> Array:
    """(3, 3) the rotation that brings points (n, 3) closest to others, both about their centres (Kabsch)."""
    left, _, right = np.linalg.svd(others.T @ own)
    sign = np.sign(np.linalg.det(left @ right))
    turn: Array = left @ np.diag([1.0, 1.0, sign]) @ right
    return turn
