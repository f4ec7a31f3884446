"""The low-pass filter between a policy's actions and the joint targets, and its inverse.

An action in [-1, 1] spans the action scale around the stand pose. Training, learning on a robot, and deployment all
filter here; a target that the action scale cannot express comes back as an action outside of [-1, 1].
"""

import math
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from leash_robot.robot.types import Array

Float32 = NDArray[np.float32]

ROUNDING = 1e-3
"""An action that was computed from a target may exceed 1 by this much through rounding alone."""


@dataclass(frozen=True, eq=False)
class ActionFilter:
    """A first-order filter on offsets (n,) from the stand pose [rad]."""

    scale: Array
    """(n,) offset that an action of 1 asks for [rad]."""
    decay: float
    """Weight of the last offset, in [0, 1); 0 is no filter."""

    @classmethod
    def with_cutoff(cls, scale: Array, filter_hz: float, rate: float) -> Self:
        """The filter with this cut-off frequency [Hz], at `rate` ticks a second; 0 Hz is no filter."""
        return cls(scale, math.exp(-2 * math.pi * filter_hz / rate) if filter_hz else 0.0)

    @property
    def alpha(self) -> float:
        """Weight of the newest offset."""
        return 1.0 - self.decay

    def smooth(self, offset: Array, last: Array) -> Array:
        """The offset (n,) that follows `last` when `offset` is asked for [rad]."""
        smoothed: Array = offset + self.decay * (last - offset)
        return smoothed

    def offset(self, action: Array | Float32, last: Array) -> Array:
        """The offset (n,) that follows `last` when this action (n,) is taken [rad]."""
        return self.smooth(self.scale * action, last)

    def action(self, offset: Array, last: Array) -> Float32:
        """The action (..., n) that makes this offset follow `last`; its entries may lie outside [-1, 1]."""
        action: Float32 = ((offset - self.decay * last) / (self.alpha * self.scale)).astype(np.float32)
        return action


def expressible(action: Float32) -> NDArray[np.bool_]:
    """Where (...) the action scale can express an action (..., n); an actor is trained on those alone."""
    inside: NDArray[np.bool_] = np.asarray((np.abs(action) <= 1.0 + ROUNDING).all(axis=-1))
    return inside
