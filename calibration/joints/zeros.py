"""From touches of the floor to the joints' zeros."""

import itertools
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from leash_robot.calibration.fitting import fit
from leash_robot.calibration.joints.touch import Touches
from leash_robot.calibration.legs import leg_name, legs_of
from leash_robot.robot.bodies.pupper.kinematics import forward
from leash_robot.robot.errors import CalibrationError
from leash_robot.robot.spec import Spec
from leash_robot.robot.types import Array

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
LARGEST_ZERO = np.radians(20.0)
"""A zero that is farther off than this is not believed [rad]."""
LEGS = 4
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
    sign: Array
    """(12,) -1 where a joint turns the other way than was believed; offsets and touches are those after that."""


def misses(found: Array, pos: Array, spec: Spec) -> Array:
    """(k, 4) height of each foot's lowest point above the floor [m]; `found` (15,) is the offsets and the plane."""
    legs = legs_of(spec)
    feet = forward(pos + found[:12], legs)
    floor = found[12] - BELLY + feet[..., 0] * found[13] + feet[..., 1] * found[14]
    above: Array = feet[..., 2] - legs.foot_radius - floor
    return above


def fit_zeros(touches: Touches, spec: Spec) -> Zeros:
    """The zeros that put all touches on one plane, and the abductions that turn the wrong way.

    A hip or a knee that does has no rest pose, so that the driver has refused the robot before. Raises
    CalibrationError naming a leg that cannot be right.
    """
    _check_enough(touches, spec)
    first = _cleaned(touches, spec)
    if not _wrong(first).any():
        return first
    for count in range(1, LEGS + 1):
        for reversed_legs in itertools.combinations(range(LEGS), count):
            sign = np.ones(12)
            sign[3 * np.array(reversed_legs)] = -1.0
            turned = _cleaned(replace(touches, pos=touches.pos * sign), spec)
            if not _wrong(turned).any():
                return replace(turned, sign=sign)
    raise _refusal(first, spec)


def _wrong(zeros: Zeros) -> NDArray[np.bool_]:
    """(4,) the legs whose touches miss the floor, or whose zeros nobody believes."""
    farthest = np.abs(zeros.offset).reshape(LEGS, 3).max(axis=1)
    wrong: NDArray[np.bool_] = (zeros.miss > LARGEST_MISS) | (farthest > LARGEST_ZERO)
    return wrong


def _cleaned(touches: Touches, spec: Spec) -> Zeros:
    """The zeros without the touches that were no floor."""
    zeros = _fitted(touches, spec)
    for _ in range(touches.met.size):
        doubtful = _doubtful(touches, zeros, spec)
        if doubtful is None:
            break
        touches = doubtful
        zeros = _fitted(touches, spec)
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
    return Zeros(found[:12], sigma, found[12:], touches, miss, np.ones(12))


def _check_enough(touches: Touches, spec: Spec) -> None:
    felt = touches.met.sum(axis=0)
    if felt.min() < FEWEST:
        leg = int(felt.argmin())
        raise CalibrationError(
            f"{leg_name(spec, leg)} met the floor {felt[leg]:.0f} times of {len(touches.met)}, {FEWEST} are needed: "
            "free the leg, lay the robot on a flat floor, and start again"
        )


def _refusal(zeros: Zeros, spec: Spec) -> CalibrationError:
    """Names the leg that cannot be right."""
    leg = int(np.argmax(zeros.miss / LARGEST_MISS + np.abs(zeros.offset).reshape(LEGS, 3).max(axis=1) / LARGEST_ZERO))
    farthest = np.degrees(np.abs(zeros.offset[3 * leg : 3 * leg + 3]).max())
    return CalibrationError(
        f"the touches of {leg_name(spec, leg)} miss a flat floor by {1e3 * zeros.miss[leg]:.1f} mm with zeros "
        f"{farthest:.0f} deg off, at most {1e3 * LARGEST_MISS:g} and {np.degrees(LARGEST_ZERO):.0f} are right: a "
        "blocked leg, a hip or knee with the wrong sign, or a floor that is not flat"
    )
