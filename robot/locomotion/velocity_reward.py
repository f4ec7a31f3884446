"""What following a velocity command is worth: pure terms, and the reward that a robot can compute from its sensors.

The simulator adds terms of what only it knows (`sim/envs/rewards.py`).
"""

import math
from collections.abc import Sequence

import msgspec

from leash_robot.robot.locomotion.odometry import MotionEstimate
from leash_robot.robot.types import Array, Observation

Row = Sequence[float]
"""A few numbers. Note: indexing a list is several times faster than indexing an array."""

LEVER = 0.25
"""A rad/s of the yaw rate counts like so many m/s, which is about the share of their ranges [m]."""
LEAST = 0.1
"""Smaller commands are pursued as if an error of this size mattered [m/s]."""
HEIGHT = 0.155
"""A body that stands this high or higher is not penalized as low [m]."""


def kernel(error: float, width: float) -> float:
    """1 at no error, falling like a Gaussian with this width, the same on both sides."""
    return math.exp(-((error / width) ** 2))


def tent(error: float, width: float) -> float:
    """1 at no error, falling linearly through 0 at `width`, -1 at most."""
    return max(-1.0, 1.0 - error / width)


def pursuit(velocity: Row, command: Row) -> float:
    """How much of the command there is, vx, vy and yaw rate together: 1 is all, 0 is what standing still would earn.

    Note: a Gaussian that is wide enough to be felt from afar rewards standing, most of all under small commands.
    """
    size = math.hypot(command[0], command[1], LEVER * command[2])
    error = math.hypot(velocity[0] - command[0], velocity[1] - command[1], LEVER * (velocity[2] - command[2]))
    return tent(error, max(LEAST, size))


def velocity_tracking(velocity: Row, command: Row, width: float) -> float:
    """How well the planar velocity [m/s], the first two of `velocity`, follows the command's vx, vy."""
    return kernel(math.hypot(velocity[0] - command[0], velocity[1] - command[1]), width)


def yaw_tracking(velocity: Row, command: Row, width: float) -> float:
    """How well the yaw rate [rad/s], the last of `velocity`, follows the command's."""
    return kernel(velocity[2] - command[2], width)


def angular_velocity_xy(angular_velocity: Row) -> float:
    """Squared roll and pitch rates [rad2/s2]."""
    return angular_velocity[0] ** 2 + angular_velocity[1] ** 2


def orientation(gravity: Row) -> float:
    """Squared sine of the tilt."""
    return gravity[0] ** 2 + gravity[1] ** 2


def action_rate(now: Array, before: Array) -> float:
    """Mean squared change of an action."""
    step = now - before
    return float(step @ step) / len(step)


def action_acceleration(now: Array, before: Array, earlier: Array) -> float:
    """Mean squared second difference of an action."""
    return action_rate(now - before, before - earlier)


class MeasuredWeights(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Weights of the terms that a robot can compute from its sensors; the names are the YAML keys."""

    velocity: float = 1.0
    """At the commanded velocity; falls linearly to 0 where the error is as large as the command, and below."""
    least: float = 0.2
    """The error is divided by the command's speed, or by this where the command is slower [m/s]."""
    yaw: float = 0.3
    """Same for the yaw rate. It earns only as far as a commanded velocity is followed, or standing still would pay."""
    least_yaw: float = 0.6
    """[rad/s]"""
    lean: float = -0.5
    """See `orientation`."""
    wobble: float = -0.02
    """See `angular_velocity_xy`."""
    change: float = -0.05
    """See `action_rate`."""
    low: float = -20.0
    """For each metre below HEIGHT."""
    fall: float = -5.0


def measured_terms(
    obs: Observation,
    estimate: MotionEstimate,
    command: Array,
    actions: tuple[Array, Array],
    weights: MeasuredWeights,
    *,
    fell: bool,
) -> dict[str, float]:
    """What each term adds to this tick's reward; `actions` (n,) are the one that led here and the one before it."""
    planar = math.hypot(estimate.velocity[0] - command[0], estimate.velocity[1] - command[1])
    speed = math.hypot(command[0], command[1])
    velocity = tent(planar, max(weights.least, speed))
    yaw = tent(abs(obs.gyro[2] - command[2]), max(weights.least_yaw, abs(command[2])))
    if speed > 0 and yaw > 0:
        yaw *= max(0.0, velocity)
    return {
        "velocity": weights.velocity * velocity,
        "yaw": weights.yaw * yaw,
        "lean": weights.lean * orientation(obs.gravity.tolist()),
        "wobble": weights.wobble * angular_velocity_xy(obs.gyro.tolist()),
        "change": weights.change * action_rate(*actions),
        "low": weights.low * max(0.0, HEIGHT - estimate.height),
        "fall": weights.fall * fell,
    }
