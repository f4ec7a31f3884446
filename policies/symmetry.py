"""Left and right exchanged: what a mirrored robot would have seen and done. Doubles what is learned from a step."""

import numpy as np
from numpy.typing import NDArray

from leash_robot.robot.encoding.feature_encoding import FeatureConfig, parts

LEGS = np.array([3, 4, 5, 0, 1, 2, 9, 10, 11, 6, 7, 8])
"""Where each joint's mirror image is: front right and front left change places, as do the back legs."""
LEG_SIGNS = np.tile([-1.0, 1.0, 1.0], 4)
"""A mirrored abduction turns the other way."""


class Mirror:
    """A permutation with signs; twice gives back the same."""

    def __init__(self, order: NDArray[np.int64], signs: NDArray[np.float64]) -> None:
        self.order = order
        self.signs = signs.astype(np.float32)

    def __call__(self, rows: NDArray[np.float32]) -> NDArray[np.float32]:
        """The mirror image of each row (..., width)."""
        turned: NDArray[np.float32] = rows[..., self.order] * self.signs
        return turned


def joined(*parts: Mirror) -> Mirror:
    """Of vectors that lie one after another."""
    offsets = np.cumsum([0, *(len(part.order) for part in parts[:-1])])
    order = np.concatenate([part.order + offset for part, offset in zip(parts, offsets, strict=True)])
    return Mirror(order, np.concatenate([part.signs for part in parts]))


def _signed(*signs: float) -> Mirror:
    return Mirror(np.arange(len(signs)), np.array(signs))


JOINTS = Mirror(LEGS, LEG_SIGNS)
VECTOR = _signed(1, -1, 1)
"""A velocity, a force, gravity."""
SPIN = _signed(-1, 1, -1)
"""An angular velocity."""
COMMAND = _signed(1, -1, -1)
CLOCK = _signed(-1, -1, 1, 1)
"""Of a gait whose left and right are half a cycle apart."""
FEET = Mirror(np.array([1, 0, 3, 2]), np.ones(4))


OF = {"gravity": VECTOR, "gyro": SPIN, "command": COMMAND, "clock": CLOCK}
OF |= dict.fromkeys(("joint_pos", "joint_vel", "actions"), JOINTS)
"""Of each quantity that may be a feature."""


def of_features(config: FeatureConfig) -> Mirror:
    """Of a feature vector of a four-legged body with twelve joints."""
    return joined(*(OF[name] for name in parts(config)))
