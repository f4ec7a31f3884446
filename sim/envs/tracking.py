"""How well a walk follows a velocity command: the one definition that training and evaluation share.

The true body-frame velocity (vx, vy, yaw rate) minus the command, averaged over a sliding half second (about a gait
cycle, so that a gait's own sway is no error), after a second to get going. The error of an episode is the mean over
its ticks of the length of the planar part, and of the size of the yaw part. An episode succeeds without a fall and with
both below their bounds.
"""

from typing import NamedTuple

import numpy as np

from leash_robot.robot.types import Array

SETTLE = 1.0
"""Seconds at the start of an episode that do not count."""
CYCLE = 0.5
"""Velocity is averaged over this long [s]."""
PLANAR = 0.1
"""The mean planar error of a success is smaller [m/s]."""
TURNING = 0.25
"""The mean yaw error of a success is smaller [rad/s]."""


class Tracking(NamedTuple):
    """Mean errors of one episode."""

    planar: float
    """[m/s]"""
    turning: float
    """[rad/s]"""

    @property
    def good(self) -> bool:
        """Whether both are small enough; a fall is another matter."""
        return self.planar < PLANAR and self.turning < TURNING


def tracking(velocity: Array, command: Array, rate: float, settle: float = SETTLE) -> Tracking:
    """Judge true velocities (T, 3) at every tick against the commands then, (T, 3) or (3,); `rate` in ticks a second.

    An episode that ended before `settle` is judged by its last tick.
    """
    error = velocity - command
    late = smoothed(error[min(round(settle * rate), len(error) - 1) :], rate)
    return Tracking(float(np.hypot(late[:, 0], late[:, 1]).mean()), float(np.abs(late[:, 2]).mean()))


def smoothed(error: Array, rate: float) -> Array:
    """The sliding mean of each column (T, k) over `CYCLE`, or over all there is where that is less."""
    width = max(1, min(round(CYCLE * rate), len(error)))
    kernel = np.ones(width) / width
    return np.stack([np.convolve(column, kernel, mode="valid") for column in error.T], axis=1)
