"""The reward of a walk in simulation: the terms that a robot can measure too, and those that only a simulator can."""

from typing import Annotated, NamedTuple

import msgspec
from msgspec import Meta

from leash_robot.robot.locomotion.velocity_reward import (
    Row,
    action_acceleration,
    action_rate,
    angular_velocity_xy,
    orientation,
    pursuit,
    velocity_tracking,
    yaw_tracking,
)
from leash_robot.robot.types import Array
from leash_robot.sim.ground_truth import GroundTruth

Width = Annotated[float, Meta(ge=1e-3, le=1e3)]


def bounce(velocity: Row) -> float:
    """Squared vertical speed [m2/s2]."""
    return velocity[2] ** 2


def effort(torque: Row) -> float:
    """Sum of squared joint torques [N2 m2]."""
    return sum(value * value for value in torque)


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
        "wobble": weights.wobble * angular_velocity_xy(spin),
        "lean": weights.lean * orientation(truth.gravity.tolist()),
        "effort": weights.effort * effort(motion.torque),
        "change": weights.change * action_rate(now, before),
        "bend": weights.bend * action_acceleration(now, before, earlier),
        "stepping": weights.stepping * any(command) * step,
        "fall": weights.fall * truth.fallen,
    }
