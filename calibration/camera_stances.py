"""Stances that show the board from many sides while the feet stay where they are: the body leans, turns and moves."""

import cv2
import numpy as np

from robot.errors import CalibrationError, KinematicsError
from robot.kinematics import forward, inverse
from robot.spec import Legs, Spec
from robot.types import Array

LEAN = 14.0
"""Largest lean and turn of the body about each axis [deg]."""
SHIFT = 0.02
"""Largest shift of the body along each axis [m]."""


def legs_of(spec: Spec) -> Legs:
    """The legs of a body that has them. Raises CalibrationError."""
    if spec.legs is None:
        raise CalibrationError(
            f"{spec.name} has no legs to lean on; measure the board's place and give it as --board-at"
        )
    return spec.legs


def lean(spec: Spec, legs: Legs, turn: Array, shift: Array) -> Array | None:
    """Joint angles (12,) for the body turned by `turn` (3,) [rad] and shifted (3,) [m] over the standing feet.

    None when a foot or a joint does not go there.
    """
    rotation = cv2.Rodrigues(turn)[0]
    feet = (forward(spec.stand, legs) - shift) @ rotation
    try:
        joints = inverse(feet, legs)
    except KinematicsError:
        return None
    within = (joints >= spec.lower) & (joints <= spec.upper)
    return joints if within.all() else None


def stances(spec: Spec, legs: Legs, count: int) -> list[tuple[Array, Array, Array]]:
    """`count` stances: joints (12,) [rad], and the body's turn (3,) [rad] and shift (3,) [m] over the standing feet.

    They go round: lean and turn change together, so that all three axes are turned about.
    """
    found = []
    for index in range(count):
        phase = 2 * np.pi * index / count
        turn = np.radians(LEAN) * np.array([np.sin(phase), np.cos(phase), np.sin(2 * phase + 0.7)])
        shift = SHIFT * np.array([np.cos(3 * phase), np.sin(2 * phase), np.cos(2 * phase)])
        for share in (1.0, 0.85, 0.7, 0.5):
            joints = lean(spec, legs, share * turn, share * shift)
            if joints is not None:
                found.append((joints, share * turn, share * shift))
                break
    return found
