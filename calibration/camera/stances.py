"""Stances that show the board from many sides while the feet stay where they are: the body leans, turns and moves."""

from dataclasses import dataclass
from itertools import pairwise

import cv2
import numpy as np

from leash_robot.calibration.footprints import rolling, shank_turns
from leash_robot.robot.bodies.pupper.kinematics import forward, inverse
from leash_robot.robot.errors import KinematicsError
from leash_robot.robot.spec import Legs, Spec
from leash_robot.robot.types import Array

LEAN = 14.0
"""Largest lean and turn of the body about each axis [deg]."""
SHIFT = 0.02
"""Largest shift of the body along each axis [m]."""
STRIDE = 0.35
"""Of the circle, from one stance to the next; twenty of them meet every twentieth of it once."""
LEANING, RESTING = 24, 16
"""Ticks for the way into a stance, and to come to rest in it."""


@dataclass(frozen=True, eq=False)
class Lean:
    """How the body is held over its feet, against the standing pose."""

    turn: Array
    """(3,) rotation vector [rad]."""
    shift: Array
    """(3,) [m]"""

    def towards(self, other: "Lean", share: float) -> "Lean":
        """Between this one (0) and another (1)."""
        return Lean(self.turn + share * (other.turn - self.turn), self.shift + share * (other.shift - self.shift))


UPRIGHT = Lean(np.zeros(3), np.zeros(3))


def joints_of(lean: Lean, spec: Spec, legs: Legs) -> Array | None:
    """Joint angles (12,) of a lean in which feet roll and nothing pulls at them; None where a joint does not reach."""
    turn = np.asarray(cv2.Rodrigues(lean.turn)[0], dtype=np.float64)
    feet, up = forward(spec.stand, legs), np.array([0.0, 0.0, legs.foot_radius])
    before, joints = shank_turns(np.eye(3), spec.stand), spec.stand
    try:
        for _ in range(3):
            moved = feet + rolling(shank_turns(turn, joints), before, up)
            joints = inverse((moved - lean.shift) @ turn, legs)
    except KinematicsError:
        return None
    return joints if ((joints >= spec.lower) & (joints <= spec.upper)).all() else None


def stances(spec: Spec, legs: Legs, count: int) -> list[Lean]:
    """`count` stances round a circle: lean and turn change together, so that all three axes are turned about.

    Neighbours on the circle are not taken one after the other, so that what feet creep does not look like a lean.
    """
    found = []
    for phase in 2 * np.pi * STRIDE * np.arange(count):
        turn = np.radians(LEAN) * np.array([np.sin(phase), np.cos(phase), np.sin(2 * phase + 0.7)])
        shift = SHIFT * np.array([np.cos(3 * phase), np.sin(2 * phase), np.cos(2 * phase)])
        shares = (share for share in (1.0, 0.85, 0.7, 0.5) if _reached(Lean(share * turn, share * shift), spec, legs))
        found += [Lean(share * turn, share * shift) for share in [*shares][:1]]
    return found


def _reached(lean: Lean, spec: Spec, legs: Legs) -> bool:
    return joints_of(lean, spec, legs) is not None


def way(begin: Lean, end: Lean, spec: Spec, legs: Legs) -> list[Array]:
    """Joints (12,) for each tick from one lean to another, and at rest there; the body moves, the feet only roll."""
    shares = 0.5 - 0.5 * np.cos(np.pi * np.arange(1, LEANING + 1) / LEANING)
    between = [joints_of(begin.towards(end, float(share)), spec, legs) for share in shares]
    reached = [joints for joints in between if joints is not None]
    return [*reached, *[reached[-1]] * RESTING]


def stance_targets(spec: Spec, legs: Legs, count: int) -> list[list[Array]]:
    """The targets (n,) of each way: from upright through `count` stances, one way into each, and upright again."""
    leans = [UPRIGHT, *stances(spec, legs, count), UPRIGHT]
    return [way(begin, end, spec, legs) for begin, end in pairwise(leans)]
