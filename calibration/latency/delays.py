"""Delays: how long after a command its motion is seen, how evenly states come, how old they are when used.

Over the line nobody can tell the way there from the way back: a robot that obeys 10 ms later and reports 10 ms sooner
says exactly the same. What is found is the sum; a camera that sees the motion would tell the two apart.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from leash_robot.calibration.measurement import MeasurementBench
from leash_robot.calibration.motors.fit import FittedMotors, Run
from leash_robot.calibration.motors.leg_model import TargetCourse, simulate
from leash_robot.robot.calibration import CalibrationEstimate
from leash_robot.robot.types import Array

WINDOW = 80
"""States of one comparison: 0.8 s of them."""
FASTEST = 0.5
"""A window whose joint never moves faster tells nothing [rad/s]."""
RANGE = 0.02
"""How far around the delay that was fitted each window is searched [s]."""


@dataclass(frozen=True)
class Lags:
    """Median and 95th percentile [ms]."""

    round_trip: tuple[float, float]
    """From a command to the state that shows its motion, over all windows of all joints."""
    jitter: tuple[float, float]
    """How much later than the soonest a state came."""
    age: tuple[float, float]
    """How old the newest state was when the next command was made, the line's own delay left out."""


@dataclass(frozen=True)
class Ways:
    """The two parts of the round trip [ms]."""

    there: CalibrationEstimate
    """From a command to the motion."""
    back: CalibrationEstimate
    """From the motion to the state that shows it."""


def ways(trip: CalibrationEstimate, camera: float, behind: float, doubt: float) -> Ways:
    """Tell the two ways apart by a camera that saw the motion [ms].

    `camera` is the time from the light to a picture's own time, known from elsewhere; `behind` is the same as it
    looks to somebody who takes a state's arrival for the time of the motion, and `doubt` its standard deviation.
    """
    back = camera - behind
    spread = float(np.hypot(trip.sigma, doubt))
    return Ways(
        CalibrationEstimate(round(trip.value - back, 3), round(spread, 3)),
        CalibrationEstimate(round(back, 3), round(doubt, 3)),
    )


def lags(runs: Sequence[Run], motors: FittedMotors, bench: MeasurementBench) -> Lags:
    """The delays of one excitation."""
    log = bench.log()
    late = 1e3 * (log.arrived - log.clock)
    newest = np.searchsorted(log.arrived, [time for time, _ in bench.sent], side="right") - 1
    ages = np.array([time for time, _ in bench.sent]) - log.arrived[np.maximum(newest, 0)]
    return Lags(_percentiles(_windows(runs, motors)), _percentiles(late - late.min()), _percentiles(1e3 * ages))


def _percentiles(values: Array) -> tuple[float, float]:
    return float(np.percentile(values, 50)), float(np.percentile(values, 95))


def _windows(runs: Sequence[Run], motors: FittedMotors) -> Array:
    """The delay [ms] of every window in which a joint moved: where model and leg correlate best."""
    delay = float(motors.value[6])
    shifts = np.linspace(-RANGE, RANGE, 41)
    columns = np.repeat(motors.value[:, None], 4, axis=1)
    found: list[float] = []
    for run, (_, modelled) in zip(runs, simulate(columns, [_finely(run) for run in runs]), strict=True):
        fine = np.arange(len(modelled)) * 1e-3
        for leg in range(4):
            speed = modelled[:, run.kind, leg]
            for begin in range(0, len(run.vel) - WINDOW, WINDOW):
                ticks, seen = run.course.ticks[begin : begin + WINDOW] * 1e-3, run.vel[begin : begin + WINDOW, leg]
                if np.abs(seen).max() < FASTEST:
                    continue
                misses = [float(np.sum((np.interp(ticks - shift, fine, speed) - seen) ** 2)) for shift in shifts]
                found.append(1e3 * (delay + _lowest(shifts, np.array(misses))))
    return np.array(found)


def _finely(run: Run) -> TargetCourse:
    return replace(run.course, ticks=np.arange(int(run.course.ticks[-1]) + 1))


def _lowest(at: Array, values: Array) -> float:
    """Where a parabola through the smallest value and its neighbours is lowest."""
    best = int(np.clip(np.argmin(values), 1, len(values) - 2))
    left, middle, right = values[best - 1 : best + 2]
    bend = left - 2 * middle + right
    step = float(at[1] - at[0])
    return float(at[best]) + (0.0 if bend <= 0 else 0.5 * step * float(left - right) / float(bend))
