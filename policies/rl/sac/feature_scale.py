"""Constant factors that bring the actor's features to about one; folded into the first layer of a saved policy."""

import numpy as np
from numpy.typing import NDArray

from leash_robot.robot.encoding.feature_encoding import FeatureConfig, layout

FACTORS = {"gravity": 3.0, "joint_pos": 4.0, "actions": 4.0}
"""Of features that vary little, whose weights Adam would otherwise move too slowly."""


def scale_of(features: FeatureConfig, joints: int) -> NDArray[np.float32]:
    """The factor (d,) of each feature."""
    return np.array([FACTORS.get(name, 1.0) for name in layout(features, joints)[0]], np.float32)
