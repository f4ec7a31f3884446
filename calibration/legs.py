"""Small words about legs that several procedures share."""

import numpy as np

from leash_robot.robot.bodies.pupper.kinematics import SIDE
from leash_robot.robot.errors import CalibrationError
from leash_robot.robot.spec import Legs, Spec
from leash_robot.robot.types import Array


def legs_of(spec: Spec) -> Legs:
    """The legs of a body. Raises CalibrationError for one that has none."""
    if spec.legs is None:
        raise CalibrationError(f"{spec.name} has no legs to calibrate by; give its offsets by hand")
    return spec.legs


def leg_name(spec: Spec, leg: int) -> str:
    """What a leg is called."""
    return spec.names[3 * leg].rpartition("_")[0]


def four(pose: tuple[float, float, float]) -> Array:
    """(12,) all legs alike: abduction outward, hip, knee [rad]."""
    abduction, hip, knee = pose
    return np.stack([SIDE * abduction, np.full(4, hip), np.full(4, knee)], axis=1).ravel()
