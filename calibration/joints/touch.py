"""Lying on its belly, the robot feels for the floor with its feet; where they stop tells the zeros.

The belly does not move, so every touch of every leg lies on one plane a known height below the hips. Eight touches a
leg, far apart, leave nothing about its three zeros open; errors of eight degrees only begin where the foot is met.
Nothing here needs hard stops, an IMU, or a level floor; the floor must be flat.
"""

from dataclasses import dataclass

import numpy as np

from leash_robot.calibration.legs import four, legs_of
from leash_robot.calibration.measurement import MeasurementBench
from leash_robot.robot.bodies.pupper.kinematics import jacobian
from leash_robot.robot.spec import Legs
from leash_robot.robot.types import Array

TOUCHES = (
    (0.0, 1.50, -0.30),
    (0.4, 1.40, -0.30),
    (0.4, 1.65, -0.78),
    (-0.6, 2.73, -2.44),
    (0.2, 2.30, -2.04),
    (0.6, 1.31, -0.30),
    (0.4, 2.11, -1.81),
    (-0.6, 1.75, -0.62),
)
"""Where the floor is met: abduction outward, hip, knee [rad]. Knees stay above the floor and feet behind them. Chosen
one by one, out of all that a leg can reach, for the smallest sum of the zeros' variances."""
ALOFT = (0.0, 2.4, -0.4)
"""Legs up and back, clear of the floor."""
UNFOLD = ((0.6, 1.57, -2.75), (0.6, 3.0, -2.8), (0.6, 3.0, -0.6), ALOFT)
"""From the folded legs of the rest pose to `ALOFT`, over the top and outward, since below there is the floor."""
REACH, LONGEST = 0.035, 0.6
"""How far above and below the expected floor a foot begins and gives up [m], and what that may be in angle [rad]."""
SECONDS, FASTEST = 2.0, 0.3
"""How long a foot takes for both ways [s], but no faster than this, since a late answer lets it press on [rad/s]."""
FORCE = 0.5
"""How hard a foot presses before it counts as standing on something [N]."""
SLACK, STUCK, KEPT = 0.07, 0.14, 0.01
"""What a joint lags in free motion, what it may lag before it begins to move, and what it is left to press with after
touching [rad]."""
BEGUN = 0.04
"""A joint that has not moved so far may be stuck by its own friction, not by the floor [rad]."""
SETTLE = 0.3
"""How long it rests before it goes down [s]."""
SLOWED = 0.3
"""A foot that moves slower than this share of what it is told has met something."""


@dataclass(frozen=True)
class Touches:
    """What was felt."""

    pos: Array
    """(k, 12) joint angles at each touch, by the calibration that the robot was opened with [rad]."""
    met: Array
    """(k, 4) 1 where a leg met something before it gave up."""


def unfold(bench: MeasurementBench) -> None:
    """From the rest pose to legs aloft."""
    for pose in UNFOLD:
        bench.move(four(pose), 1.0)


def fold(bench: MeasurementBench) -> None:
    """From legs aloft back to the rest pose."""
    for pose in UNFOLD[-2::-1]:
        bench.move(four(pose), 1.0)
    bench.move(bench.robot.spec.rest, 0.8)


def feel(bench: MeasurementBench, zeros: Array) -> Touches:
    """Touch the floor in every way of `TOUCHES` from legs aloft; `zeros` (12,) is what is to be added to angles."""
    pos, met = [], []
    for number, pose in enumerate(TOUCHES, 1):
        bench.say(f"feeling for the floor, {number} of {len(TOUCHES)}")
        angles, reached = _touch(bench, four(pose), zeros)
        pos.append(angles)
        met.append(reached)
        bench.move(four(ALOFT) - zeros, 0.4)
    return Touches(np.array(pos), np.array(met, dtype=np.float64))


def _touch(bench: MeasurementBench, pose: Array, zeros: Array) -> tuple[Array, Array]:
    """Lower all four feet until each has met something; joint angles (12,) there, and whether it has (4,)."""
    spec = bench.robot.spec
    down, lever = _downward(pose, legs_of(spec))
    span = np.minimum(REACH / lever, LONGEST)
    press = FORCE * lever / stiffness(spec.gains.kp)
    offset = -span.copy()
    above = (pose.reshape(4, 3) - down * span[:, None]).ravel() - zeros
    bench.move(above, 0.8)
    bench.hold(SETTLE)
    each = np.minimum(2 * span / SECONDS, FASTEST) / spec.rate
    met, past = np.zeros(4, bool), [(((bench.angles + zeros - pose).reshape(4, 3)) * down).sum(axis=1)]
    for _ in range(round(2.5 * float((span / each).max()))):
        offset = np.where(met, offset, offset + each)
        bench.tick((pose.reshape(4, 3) + down * offset[:, None]).ravel() - zeros)
        past.append((((bench.angles + zeros - pose).reshape(4, 3)) * down).sum(axis=1))
        speed = (past[-1] - past[max(0, len(past) - 5)]) / 4
        moved = past[-1] - past[0] > BEGUN
        enough = press + np.where(moved, SLACK, STUCK)
        new = (speed < SLOWED * each) & (offset - past[-1] > enough) & ~met
        offset, met = np.where(new, past[-1] + KEPT + 0.6 * press, offset), met | new
        if met.all():
            break
    bench.hold(0.5)
    angles = bench.rest(0.25).pos.mean(axis=0)
    bench.move(above, 0.5)
    return angles, met


def _downward(pose: Array, legs: Legs) -> tuple[Array, Array]:
    """Unit directions (4, 3) in which hip and knee lower each foot, and by how much (4,) [m/rad]."""
    rows = jacobian(pose, legs)[:, 2, :].copy()
    rows[:, 0] = 0.0
    lever = np.linalg.norm(rows, axis=1)
    return -rows / lever[:, None], lever


def stiffness(kp: float) -> float:
    """A joint's spring constant [N m/rad] for a gain [A/rad]; roughly, between driving and being driven."""
    return 0.2 * kp
