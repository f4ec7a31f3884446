"""From touches of the floor to the joints' zeros."""

from dataclasses import dataclass, replace

import numpy as np

from calibration.fitting import fit
from calibration.legs import leg_name, legs_of
from calibration.touch import Touches
from robot.errors import CalibrationError
from robot.kinematics import forward
from robot.spec import Spec
from robot.types import Array

BELLY = 0.055
"""How far the flat belly lies below the hip axes, by the drawings [m]."""
PLAY, TILT = 0.002, 0.02
"""How well that is known, and how parallel to the hips [m], [rad]."""
LIKELY = np.radians(8.0)
"""How far a zero usually is from where it is believed [rad]."""
FINE = 5e-5
"""How well a foot finds the floor [m]."""
LARGEST_MISS = 1.5e-3
"""A leg whose touches do not fit one plane better than this did not touch the floor [m]."""
DOUBTFUL = 3e-4
"""A touch that is farther from the plane of the others was a joint's own friction, not the floor [m]."""
FEWEST = 5
"""So many touches a leg are needed."""


@dataclass(frozen=True)
class Zeros:
    """What is to be added to the angles, and how well it is known."""

    offset: Array
    """(12,) [rad]"""
    sigma: Array
    """(12,) one standard deviation [rad]."""
    plane: Array
    """(3,) the floor in the body frame: height beyond the drawing [m], slope along x and y."""
    used: Touches
    """The touches without those that were not the floor."""
    miss: Array
    """(4,) how far each leg's touches are from the plane, root mean square [m]."""


def misses(found: Array, pos: Array, spec: Spec) -> Array:
    """(k, 4) height of each foot's lowest point above the floor [m]; `found` (15,) is the offsets and the plane."""
    legs = legs_of(spec)
    feet = forward(pos + found[:12], legs)
    floor = found[12] - BELLY + feet[..., 0] * found[13] + feet[..., 1] * found[14]
    above: Array = feet[..., 2] - legs.foot_radius - floor
    return above


def fit_zeros(touches: Touches, spec: Spec) -> Zeros:
    """The zeros that put all touches on one plane. Raises CalibrationError naming a leg that cannot be right."""
    _check_enough(touches, spec)
    zeros = _fitted(touches, spec)
    for _ in range(touches.met.size):
        doubtful = _doubtful(touches, zeros, spec)
        if doubtful is None:
            break
        touches = doubtful
        zeros = _fitted(touches, spec)
    _check_fit(zeros.miss, spec)
    return zeros


def _doubtful(touches: Touches, zeros: Zeros, spec: Spec) -> Touches | None:
    """The touches without the worst of those that cannot have been the floor, while enough are left; else None."""
    found = np.concatenate([zeros.offset, zeros.plane])
    spare = touches.met.sum(axis=0) > FEWEST
    away = np.abs(misses(found, touches.pos, spec)) * touches.met * spare
    if away.max() < DOUBTFUL:
        return None
    met = touches.met.copy()
    met[np.unravel_index(int(away.argmax()), away.shape)] = 0.0
    return replace(touches, met=met)


def _fitted(touches: Touches, spec: Spec) -> Zeros:
    prior = np.concatenate([np.full(12, LIKELY), [PLAY, TILT, TILT]])

    def residuals(found: Array) -> Array:
        return np.concatenate([(misses(found, touches.pos, spec) * touches.met).ravel() / FINE, found / prior])

    found, covariance = fit(residuals, np.zeros(15))
    left = misses(found, touches.pos, spec)
    miss = np.sqrt((left**2 * touches.met).sum(axis=0) / touches.met.sum(axis=0))
    spread = max(1.0, float(np.sqrt(np.mean(miss**2))) / FINE)
    sigma = spread * np.sqrt(np.diag(covariance))[:12]
    return Zeros(found[:12], sigma, found[12:], touches, miss)


def _check_enough(touches: Touches, spec: Spec) -> None:
    felt = touches.met.sum(axis=0)
    if felt.min() < FEWEST:
        leg = int(felt.argmin())
        raise CalibrationError(
            f"{leg_name(spec, leg)} met the floor {felt[leg]:.0f} times of {len(touches.met)}, {FEWEST} are needed: "
            "free the leg, lay the robot on a flat floor, and start again"
        )


def _check_fit(miss: Array, spec: Spec) -> None:
    if miss.max() > LARGEST_MISS:
        leg = int(miss.argmax())
        raise CalibrationError(
            f"the touches of {leg_name(spec, leg)} miss a flat floor by {1e3 * miss[leg]:.1f} mm, at most "
            f"{1e3 * LARGEST_MISS:g} is right: a blocked leg, a joint with the wrong sign, or a floor that is not flat"
        )
