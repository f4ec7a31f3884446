"""Actions and the joint targets they ask for: through the filter one way, and computed back from what was done.

An action in [-1, 1] spans the action box; a target that the box cannot express comes back as an action outside of it.
"""

import numpy as np
from numpy.typing import NDArray

from leash_robot.robot.types import Array

Float32 = NDArray[np.float32]

ROUNDING = 1e-3
"""Actions that were computed back may be so much larger than 1 by rounding alone."""


def filtered(action: Array | Float32, last: Array, box: Array, newest: float) -> Array:
    """The offset (n,) from the middle of the box [rad] that follows `last` when this action (n,) is taken.

    `box` (n,) is the half-range [rad], `newest` the weight of the newest target in the filter.
    """
    moved: Array = last + newest * (action * box - last)
    return moved


def action_for(offset: Array, last: Array, box: Array, newest: float) -> Float32:
    """The action (..., n) that makes this offset follow `last`; its entries may lie outside [-1, 1]."""
    action: Float32 = ((offset - (1 - newest) * last) / (newest * box)).astype(np.float32)
    return action


def expressible(action: Float32) -> NDArray[np.bool_]:
    """Where (...) the box can express an action (..., n); an actor can be asked to do those alone."""
    inside: NDArray[np.bool_] = np.asarray((np.abs(action) <= 1.0 + ROUNDING).all(axis=-1))
    return inside
