"""How a robot moves by itself: from anywhere to its stand pose, and from there to rest. Targets, one a tick.

A robot that walks is stopped by going to the stand pose in `STOP`. On 16 drawn machines at 0.5 to 0.75 m/s the largest
tilt was 10 degrees with 0.2 s, 12 with 0.3 s, 15 with 0.5 s; 10 after 0.6 s of a zero command, which not every policy
heeds; and 34 where the robot was held in mid-stride and damped there.
"""

import math
from collections.abc import Iterator

import numpy as np

from leash_robot.robot.spec import Spec
from leash_robot.robot.types import Array

RAMP, SETTLE = 2.0, 0.5
"""Time to reach the stand pose, and to come to rest in it [s]."""
STOP, CALM = 0.2, 0.3
"""Time to stop a motion in the stand pose, and to come to rest there before lying down [s]."""
LOWER = 1.5
"""Time to lie down from the stand pose [s]."""
SPEED = 1.5
"""Mean joint speed of moves between other poses [rad/s]."""
FOLDED = 0.3
"""A pose that is farther than this part of the way from the stand to the rest pose does not stand."""
NEAR = 1.0
"""A joint farther from the stand pose than this does not stand, and is in no stride either [rad]."""


def standing_up(begin: Array, spec: Spec) -> Iterator[Array]:
    """Targets (n,) [rad] from the stand or rest pose, or near it, to the stand pose, at which they stay for a while."""
    yield from ramp(begin, spec.stand, RAMP, spec.period)
    yield from hold(spec.stand, SETTLE, spec.period)


def folding(begin: Array, spec: Spec) -> Iterator[Array]:
    """Targets (n,) [rad] from anywhere to the rest pose, at a bounded speed; none from near it, or the stand pose."""
    if not (stands(begin, spec) or near(begin, spec.rest)):
        yield from ramp(begin, spec.rest, _seconds(begin, spec.rest), spec.period)


def lying_down(begin: Array, spec: Spec) -> Iterator[Array]:
    """Targets (n,) [rad] from a stride or stance to the stand pose and on to rest; from any other pose, to rest."""
    if stands(begin, spec):
        yield from ramp(begin, spec.stand, STOP, spec.period)
        yield from hold(spec.stand, CALM, spec.period)
        yield from ramp(spec.stand, spec.rest, LOWER, spec.period)
    else:
        yield from ramp(begin, spec.rest, _seconds(begin, spec.rest), spec.period)


def stands(pose: Array, spec: Spec) -> bool:
    """Whether a pose (n,) [rad] is the stand pose or a stride: near it, with legs that are folded little on average.

    A robot that has only begun to stand up is folded, and would leap if it were told to stand within `STOP`.
    """
    down = spec.rest - spec.stand
    folded = float(np.dot(pose - spec.stand, down))
    return near(pose, spec.stand) and folded <= FOLDED * float(np.dot(down, down))


def near(pose: Array, other: Array) -> bool:
    """Whether no joint of two poses (n,) [rad] differs by more than `NEAR`."""
    return bool(np.abs(pose - other).max() < NEAR)


def ramp(begin: Array, end: Array, seconds: float, period: float) -> Iterator[Array]:
    """Targets (n,) [rad] from one pose to another with smooth speed, the last of them the end."""
    ticks = max(1, round(seconds / period))
    for tick in range(1, ticks + 1):
        share = 0.5 - 0.5 * math.cos(math.pi * tick / ticks)
        yield begin + share * (end - begin)


def hold(pose: Array, seconds: float, period: float) -> Iterator[Array]:
    """The same target (n,) [rad] for a while."""
    for _ in range(round(seconds / period)):
        yield pose


def _seconds(begin: Array, end: Array) -> float:
    return float(np.abs(begin - end).max()) / SPEED
