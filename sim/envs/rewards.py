"""What a good walk is worth: tiny pure functions, and one weighted sum of them."""

import math
from collections.abc import Sequence
from typing import Annotated, NamedTuple

import msgspec
from msgspec import Meta

from leash_robot.robot.types import Array
from leash_robot.sim.ground_truth import GroundTruth

Row = Sequence[float]
"""A few numbers. Note: indexing a list is several times faster than indexing an array."""


LEVER = 0.25
"""A rad/s of the yaw rate counts like so many m/s, which is about the share of their ranges [m]."""
LEAST = 0.1
"""Smaller commands are pursued as if an error of this size mattered [m/s]."""
Width = Annotated[float, Meta(ge=1e-3, le=1e3)]


def kernel(error: float, width: float) -> float:
    """1 at no error, falling like a Gaussian with this width, the same on both sides."""
    return math.exp(-((error / width) ** 2))


def tent(error: float, width: float) -> float:
    """1 at no error, falling linearly through 0 at `width`, -1 at most."""
    return max(-1.0, 1.0 - error / width)


def pursuit(pace: Row, command: Row) -> float:
    """How much of what is asked there is, vx, vy and yaw rate together: 1 is all, 0 is what standing still would earn.

    Note: a kernel that is wide enough to be felt from afar pays standing well, most of all where little is asked.
    """
    size = math.hypot(command[0], command[1], LEVER * command[2])
    error = math.hypot(pace[0] - command[0], pace[1] - command[1], LEVER * (pace[2] - command[2]))
    return tent(error, max(LEAST, size))


def velocity_tracking(pace: Row, command: Row, width: float) -> float:
    """How well the planar velocity [m/s], the first two of `pace`, follows the command's vx, vy."""
    return kernel(math.hypot(pace[0] - command[0], pace[1] - command[1]), width)


def yaw_tracking(pace: Row, command: Row, width: float) -> float:
    """How well the yaw rate [rad/s], the last of `pace`, follows the command's."""
    return kernel(pace[2] - command[2], width)


def bounce(velocity: Row) -> float:
    """Squared vertical speed [m2/s2]."""
    return velocity[2] ** 2


def wobble(angular_velocity: Row) -> float:
    """Squared roll and pitch rates [rad2/s2]."""
    return angular_velocity[0] ** 2 + angular_velocity[1] ** 2


def lean(gravity: Row) -> float:
    """Squared sine of the tilt."""
    return gravity[0] ** 2 + gravity[1] ** 2


def effort(torque: Row) -> float:
    """Sum of squared joint torques [N2 m2]."""
    return sum(value * value for value in torque)


def change(now: Array, before: Array) -> float:
    """Mean squared change of an action."""
    step = now - before
    return float(step @ step) / len(step)


def bend(now: Array, before: Array, earlier: Array) -> float:
    """Mean squared second difference of an action."""
    return change(now - before, before - earlier)


def stepping(air: Row, landed: Row, longest: float, shortest: float = 0.0) -> float:
    """How long the feet that land now were in the air, up to `longest` each, less `shortest` [s]; may be negative."""
    return sum((min(time, longest) - shortest) * down for time, down in zip(air, landed, strict=True))


class Weights(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What each term is worth in a tick, and the widths of the kernels."""

    velocity: float = 1.0
    velocity_width: Width = 0.2
    """[m/s]"""
    yaw: float = 0.5
    yaw_width: Width = 0.5
    """[rad/s]"""
    pursuit: float = 0.0
    """See the function; what a walk that begins from nothing needs."""
    bounce: float = -0.5
    wobble: float = -0.02
    lean: float = -0.5
    effort: float = -0.01
    change: float = -0.1
    bend: float = -0.05
    stepping: float = 0.5
    longest_step: Annotated[float, Meta(gt=0, le=10)] = 0.25
    """[s]"""
    shortest_step: Annotated[float, Meta(ge=0, le=10)] = 0.0
    """Feet that are back on the floor sooner cost, in a walk: chattering is no step [s]."""
    fall: float = -5.0


PACE = 0.25
"""Time constant of the averaged velocity that is held against the command [s]."""
PENALTIES = ("bounce", "wobble", "lean", "effort", "change", "bend")
"""What costs a walk that has yet to be found its first steps."""


def softened(weights: Weights, part: float) -> Weights:
    """The same with this part, 0..1, of every penalty for style; a fall costs what it costs."""
    return msgspec.structs.replace(weights, **{name: part * getattr(weights, name) for name in PENALTIES})


class Motion(NamedTuple):
    """One tick as the reward sees it."""

    truth: GroundTruth
    command: Array
    """(3,) vx, vy [m/s], yaw rate [rad/s]."""
    torque: list[float]
    """(12,) [N m]"""
    actions: tuple[Array, Array, Array]
    """(12,) each: now, a tick before, two ticks before."""
    air: Array
    """(4,) how long each foot has been off the floor [s]."""
    landed: Array
    """(4,) 1 where a foot has just touched down."""
    pace: Array
    """(3,) velocity x, y [m/s] and yaw rate [rad/s], averaged over about `PACE`: a gait's own sway is no error."""


def terms(motion: Motion, weights: Weights) -> dict[str, float]:
    """What each term adds to this tick's reward."""
    truth, command, pace = motion.truth, motion.command.tolist(), motion.pace.tolist()
    velocity, spin = truth.velocity.tolist(), truth.angular_velocity.tolist()
    now, before, earlier = motion.actions
    step = stepping(motion.air.tolist(), motion.landed.tolist(), weights.longest_step, weights.shortest_step)
    return {
        "velocity": weights.velocity * velocity_tracking(pace, command, weights.velocity_width),
        "yaw": weights.yaw * yaw_tracking(pace, command, weights.yaw_width),
        "pursuit": weights.pursuit * pursuit(pace, command),
        "bounce": weights.bounce * bounce(velocity),
        "wobble": weights.wobble * wobble(spin),
        "lean": weights.lean * lean(truth.gravity.tolist()),
        "effort": weights.effort * effort(motion.torque),
        "change": weights.change * change(now, before),
        "bend": weights.bend * bend(now, before, earlier),
        "stepping": weights.stepping * any(command) * step,
        "fall": weights.fall * truth.fallen,
    }
