"""How fast a legged robot moves, by what it measures: feet that stand are at rest, so the body moves the other way."""

import math
from dataclasses import dataclass

import numpy as np

from leash_robot.robot.bodies.pupper.kinematics import forward
from leash_robot.robot.spec import Legs
from leash_robot.robot.types import Array, Observation

DEPTH = 0.004
"""A foot this much higher than the lowest one is believed e times less [m]."""
FALLEN_HEIGHT = 0.08
"""A body that is lower has fallen; about half the standing height of Pupper v2 [m]."""
FALLEN_TILT = math.radians(45)
"""A body that tilts more has fallen [rad]."""
SMOOTH = 0.5
"""Weight of the newest estimate in their average; one tick alone sways with the gait."""


@dataclass(frozen=True, slots=True, eq=False)
class Estimate:
    """What is known of the body's motion at a tick; body frame."""

    velocity: Array
    """(3,) [m/s]"""
    height: float
    """Of the body's origin above its lowest foot [m]."""


class Odometry:
    """Estimates the velocity from joint angles, gravity and gyro; one observation at a time."""

    def __init__(self, legs: Legs) -> None:
        self._legs = legs
        self.reset()

    def reset(self) -> None:
        """Forget the past: the robot was moved, or time was left out."""
        self._before: tuple[float, Array, Array] | None = None
        self._mean: Array = np.zeros(3)

    def step(self, obs: Observation) -> Estimate:
        """The estimate for the time between the last observation and this one; zero at the first."""
        feet = forward(obs.joint_pos, self._legs)
        depth = feet @ obs.gravity + self._legs.foot_radius
        if self._before is not None and obs.time > self._before[0]:
            now = _moved(self._before, (obs.time, feet, depth), obs.gyro)
            self._mean = self._mean + SMOOTH * (now - self._mean)
        self._before = obs.time, feet, depth
        return Estimate(self._mean.copy(), float(depth.max()))


Feet = tuple[float, Array, Array]
"""Time [s], feet (4, 3) [m] and how far each is below the body's origin (4,) [m]."""


def _moved(before: Feet, now: Feet, gyro: Array) -> Array:
    """(3,) mean velocity between two observations, by the feet that were low then and are low now."""
    slip = (now[1] - before[1]) / (now[0] - before[0]) + np.cross(gyro, 0.5 * (now[1] + before[1]))
    low = np.minimum(now[2] - now[2].max(), before[2] - before[2].max())
    weight = np.exp(low / DEPTH)
    velocity: Array = -(weight @ slip) / weight.sum()
    return velocity


def fallen(obs: Observation, estimate: Estimate) -> bool:
    """Whether the robot tilts too far, or lies on its belly."""
    tilt = float(np.arccos(np.clip(-obs.gravity[2], -1.0, 1.0)))
    return tilt > FALLEN_TILT or estimate.height < FALLEN_HEIGHT
