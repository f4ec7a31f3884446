"""Motors of a machine from what its legs did: the simulator's actuator model is matched to the log."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from leash_robot.calibration.motors.leg_model import NOMINAL, TargetCourse, simulate
from leash_robot.robot.errors import CalibrationError
from leash_robot.robot.types import Array

SPREAD: Array = np.array([0.3, 0.3, 0.08, 0.02, 0.006, 0.0012, 0.05])
"""How far machines are from `NOMINAL`, one standard deviation."""
DIFFERENCE: Array = np.array([0.01, 0.01, 0.003, 0.001, 0.002, 5e-5, 5e-4])
"""By how much each parameter is changed to see what it does."""
ANGLE, SPEED = 0.0007, 0.03
"""How well the model follows a real leg [rad], [rad/s]."""
ITERATIONS, ENOUGH = 12, 0.003
"""At most so many steps; the search ends once none is larger than this share of the usual spread."""
SMALLEST: Array = NOMINAL * (0.3, 0.3, 0.4, 0.1, 0.4, 0.35, 0.0)
LARGEST: Array = NOMINAL * (3.0, 3.0, 2.5, 6.0, 2.5, 3.0, 12.0)
DELAYS: Array = np.arange(0.0, 0.2, 0.01)
"""Where the search for the delay begins [s]."""
MOVED = 0.1
"""A joint that moved less than this tells nothing [rad]."""
LARGEST_MISS = 0.03
"""A model that misses by more than this, root mean square, is not this machine's [rad]."""
LEGS = 4


@dataclass(frozen=True)
class Run:
    """One kind of joint, excited: what four legs were told, and where those joints were seen."""

    kind: int
    course: TargetCourse
    pos: Array
    """(k, 4) [rad]"""
    vel: Array
    """(k, 4) [rad/s]"""


@dataclass(frozen=True)
class FittedMotors:
    """What was found, in the order of `leg_model.NAMES`."""

    value: Array
    """(7,)"""
    sigma: Array
    """(7,) one standard deviation, by how the legs differ."""
    before: float
    """Root mean square of the joints' error with nominal motors and the delay found [rad]."""
    after: float
    """The same with everything that was found [rad]."""


def fit_motors(runs: Sequence[Run], names: Sequence[str]) -> FittedMotors:
    """Gauss-Newton from nominal motors. Raises CalibrationError, for a log without motion by its joint's name."""
    _check_moved(runs, names)
    expected = _with_delay(runs)
    found, before = expected, 0.0
    for iteration in range(ITERATIONS):
        miss, slopes = _linearized(found, runs)
        before = before if iteration else _rms(miss)
        step = _step(miss, slopes, (expected - found) / SPREAD, range(LEGS))
        found = np.clip(found + step, SMALLEST, LARGEST)
        if np.abs(step / SPREAD).max() < ENOUGH:
            break
    after = _rms(miss)
    if after > LARGEST_MISS:
        raise CalibrationError(
            f"no motors explain what the legs did: they miss by {after:.3f} rad, {LARGEST_MISS:g} at most is right: "
            "were the legs free, and does the body lie firmly?"
        )
    return FittedMotors(found, _sigma(miss, slopes), before, after)


def _with_delay(runs: Sequence[Run]) -> Array:
    """(7,) nominal motors with the delay that fits best."""
    every = np.tile(NOMINAL, (len(DELAYS), 1))
    every[:, 6] = DELAYS
    misses, _ = _differences(every, runs)
    best: Array = every[int(np.argmin((misses**2).sum(axis=(0, 2))))]
    return best


def _linearized(motors: Array, runs: Sequence[Run]) -> tuple[Array, Array]:
    """Weighted residuals (n, 4), one leg a column, and how they change with each parameter (n, 7, 4)."""
    every = np.vstack([motors, motors + np.diag(DIFFERENCE)])
    misses, _ = _differences(every, runs)
    return misses[:, 0], (misses[:, 1:] - misses[:, :1]) / DIFFERENCE[:, None]


def _differences(every: Array, runs: Sequence[Run]) -> tuple[Array, int]:
    """Weighted residuals (n, v, 4) of every (v, 7) set of motors: angles and speeds of all runs below one another."""
    sets = len(every)
    columns = np.repeat(every, LEGS, axis=0).T
    parts = []
    for run, (pos, vel) in zip(runs, simulate(columns, [_repeated(run.course, sets) for run in runs]), strict=True):
        parts.append((pos[:, run.kind].reshape(-1, sets, LEGS) - run.pos[:, None]) / ANGLE)
        parts.append((vel[:, run.kind].reshape(-1, sets, LEGS) - run.vel[:, None]) / SPEED)
    return np.concatenate(parts), sets


def _repeated(course: TargetCourse, sets: int) -> TargetCourse:
    """The same four legs once for every set of motors."""
    return replace(
        course,
        begin=np.tile(course.begin, sets),
        targets=np.tile(course.targets, sets),
        side=np.tile(course.side, sets),
    )


def _step(miss: Array, slopes: Array, pull: Array, legs: Sequence[int]) -> Array:
    """(7,) the step that these legs ask for; large residuals count less."""
    slope = np.concatenate([slopes[..., leg] for leg in legs])
    left = np.concatenate([miss[:, leg] for leg in legs])
    weight = 1 / np.sqrt(1 + (left / 3) ** 2)
    curvature = slope.T @ (weight[:, None] * slope) + np.diag(1 / SPREAD**2)
    step: Array = np.linalg.solve(curvature, pull / SPREAD - slope.T @ (weight * left))
    return step


def _sigma(miss: Array, slopes: Array) -> Array:
    """(7,) from how far each leg by itself would go elsewhere."""
    alone = np.array([_step(miss, slopes, np.zeros(7), [leg]) for leg in range(LEGS)])
    sigma: Array = np.maximum(alone.std(axis=0, ddof=1) / np.sqrt(LEGS), 0.002 * NOMINAL)
    return sigma


def _rms(miss: Array) -> float:
    """Of the angles [rad]; speeds are about as many and weigh as much."""
    return float(np.sqrt(np.mean(miss**2))) * ANGLE


def _check_moved(runs: Sequence[Run], names: Sequence[str]) -> None:
    for run in runs:
        moved = np.ptp(run.pos, axis=0)
        if moved.min() < MOVED:
            name = names[3 * int(moved.argmin()) + run.kind]
            raise CalibrationError(
                f"{name} moved by {moved.min():.2f} rad only, {MOVED:g} at least is needed: a log without excitation "
                "tells nothing about motors, and a leg that is caught neither"
            )
