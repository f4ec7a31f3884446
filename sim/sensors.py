"""What the sensors make of the truth: offsets, biases and noise."""

import math
from typing import NamedTuple

import numpy as np

from leash_robot.robot.types import Array
from leash_robot.sim.randomization.dynamics import Dynamics


class SensorSample(NamedTuple):
    """The state that the sensors are exposed to at one instant."""

    joints: tuple[tuple[float, ...], ...]
    """(position [rad], velocity [rad/s], ...) of each joint."""
    rotation: Array
    """(3, 3) from the body frame to the world's."""
    angular_velocity: Array
    """(3,) in the world frame [rad/s]."""


class Reading(NamedTuple):
    """What they report; fields as in `Observation`."""

    joint_pos: Array
    joint_vel: Array
    gravity: Array
    gyro: Array


class Sensors:
    """Joint encoders and IMU of one machine."""

    def __init__(self, dynamics: Dynamics, rng: np.random.Generator) -> None:
        self._rng = rng
        noise = dynamics.noise
        sizes = [12, 12, 3, 3]
        self._sigma = np.repeat([noise.joint_pos, noise.joint_vel, noise.gravity, noise.gyro], sizes)
        offsets = (np.radians(dynamics.joint_zero_deg), np.zeros(12), dynamics.gravity_bias, dynamics.gyro_bias)
        self._bias = np.concatenate(offsets)

    def read(self, sample: SensorSample, down: Array) -> Reading:
        """Report the sample with this machine's errors; `down` (3,) is gravity's direction in the world frame."""
        values = self._rng.standard_normal(30)
        values *= self._sigma
        values += self._bias
        values[:12] += [joint[0] for joint in sample.joints]
        values[12:24] += [joint[1] for joint in sample.joints]
        values[24:27] += down @ sample.rotation
        values[27:] += sample.angular_velocity @ sample.rotation
        gravity = values[24:27]
        gravity /= math.sqrt(gravity @ gravity)
        return Reading(values[:12], values[12:24], gravity, values[27:])
