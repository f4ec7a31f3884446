"""How fast a legged robot moves, by what it measures: feet that stand are at rest, so the body moves the other way."""

import math
from dataclasses import dataclass

import numpy as np

from leash_robot.robot.bodies.pupper.kinematics import forward, jacobian
from leash_robot.robot.spec import Gains, Legs
from leash_robot.robot.types import Array, Observation

DEPTH = 0.016
"""A foot this much higher than the lowest one counts e times less [m]."""
LIFT = 0.05
"""So does one that rises or sinks so fast [m/s]."""
UNLOADED = 1.0
"""A foot counts by the force with which its motors press it down; one that is not pressed down, by this [A/m]."""
FALLEN_HEIGHT = 0.08
"""A body that is lower has fallen; about half the standing height of Pupper v2 [m]."""
FALLEN_TILT = math.radians(45)
"""A body that tilts more has fallen [rad]."""
SMOOTH = 0.5
"""Weight of the newest estimate in their average; one tick alone sways with the gait."""


@dataclass(frozen=True, slots=True, eq=False)
class MotionEstimate:
    """What is known of the body's motion at a tick; body frame."""

    velocity: Array
    """(3,) [m/s]"""
    height: float
    """Of the body's origin above its lowest foot [m]."""


class Odometry:
    """Estimates the velocity from joints, gravity and gyro; one observation at a time."""

    def __init__(self, legs: Legs, gains: Gains) -> None:
        self._legs, self._gains = legs, gains
        self.reset()

    def reset(self) -> None:
        """Forget the past: the robot was moved, or time was left out."""
        self._mean: Array = np.zeros(3)

    def step(self, obs: Observation, target: Array | None = None) -> MotionEstimate:
        """The estimate at this observation; `target` (n,) [rad] is what the joints follow since the last one.

        A foot counts by how low it is, how steady its height is, and, with a target, how hard it is pressed down.
        """
        legs = self._legs
        feet, lever = forward(obs.joint_pos, legs), jacobian(obs.joint_pos, legs)
        slip = _contact_velocity(obs, feet, lever, legs)
        depth = feet @ obs.gravity + legs.foot_radius
        weight = np.exp((depth - depth.max()) / DEPTH - np.abs(slip @ obs.gravity) / LIFT)
        if target is not None:
            weight *= UNLOADED + self._pressed(obs, target, lever)
        now = -(weight @ slip) / weight.sum()
        self._mean = self._mean + SMOOTH * (now - self._mean)
        return MotionEstimate(self._mean.copy(), float(depth.max()))

    def _pressed(self, obs: Observation, target: Array, lever: Array) -> Array:
        """(4,) how hard the motors press each foot down, in units of their current [A/m]."""
        gains = self._gains
        wanted = gains.kp * (target - obs.joint_pos) - gains.kd * obs.joint_vel
        current = wanted.clip(-gains.max_current, gains.max_current).reshape(4, 3, 1)
        force = np.linalg.pinv(np.swapaxes(lever, -1, -2)) @ current
        pressed: Array = (force[..., 0] @ obs.gravity).clip(0.0, None)
        return pressed


def _contact_velocity(obs: Observation, feet: Array, lever: Array, legs: Legs) -> Array:
    """(4, 3) how fast the lowest point of each ball-shaped foot moves, seen by a body at rest that turns [m/s].

    Note: without the rolling of the balls, the speed of a walk is a twentieth too small.
    """
    angle, rate = obs.joint_pos.reshape(4, 3), obs.joint_vel.reshape(4, 3)
    pitch = rate[:, 1] + rate[:, 2]
    turn = np.stack([rate[:, 0], pitch * np.cos(angle[:, 0]), pitch * np.sin(angle[:, 0])], axis=-1) + obs.gyro
    centre = np.einsum("lij,lj->li", lever, rate) + np.cross(obs.gyro, feet)
    velocity: Array = centre + np.cross(turn, legs.foot_radius * obs.gravity)
    return velocity


def fallen(obs: Observation, estimate: MotionEstimate) -> bool:
    """Whether the robot tilts too far, or lies on its belly."""
    tilt = float(np.arccos(np.clip(-obs.gravity[2], -1.0, 1.0)))
    return tilt > FALLEN_TILT or estimate.height < FALLEN_HEIGHT
