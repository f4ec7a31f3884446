"""From stances, and touches where there are some, to the IMU's mounting and the joints' zeros, all at once."""

import itertools
from dataclasses import dataclass

import numpy as np

from leash_robot.calibration.fitting import fit
from leash_robot.calibration.imu.stances import Stances, rotation, rotation_vector
from leash_robot.calibration.joints.touch import Touches
from leash_robot.calibration.joints.zeros import FINE, LIKELY, PLAY, TILT, misses
from leash_robot.calibration.legs import legs_of
from leash_robot.robot.bodies.pupper.kinematics import forward
from leash_robot.robot.errors import CalibrationError
from leash_robot.robot.spec import Spec
from leash_robot.robot.types import Array

FILTER_GAIN = 0.5
"""Of the firmware's attitude filter [1/s]: a constant bias of the gyro makes it lean by bias / gain."""
KNOWN_ZERO = np.radians(0.3)
"""How well zeros are known that an earlier calibration found [rad]."""
FLAT = 1e-4
"""How well four feet stand on one plane [m]."""
GRAVITY, TURN, LEAN = 0.006, 0.004, 0.02
"""How well the filter knows gravity, the gyro the turn between two poses, and we the filter's lean [rad]."""
LARGEST_TURN_MISS = 0.05
"""Turns of body and IMU that differ by more than this, root mean square, are not the same turns [rad]."""
LARGEST_UNFLAT = 3e-3
"""[m]"""


@dataclass(frozen=True)
class FittedAttitude:
    """What was found."""

    offset: Array
    """(12,) what is to be added to the angles [rad]."""
    sigma: Array
    """(12,) one standard deviation of it [rad]."""
    mount: Array
    """(3, 3) from the IMU's axes to the body's."""
    lean: Array
    """(3,) rotation in the IMU's axes from true gravity to the filter's [rad]."""
    gravity_miss: float
    """Root mean square angle between the legs' idea of down and the IMU's [rad]."""
    turn_miss: float
    """The same for turns between poses [rad]."""
    unflat: float
    """How far the feet are from one plane, root mean square [m]."""
    gravity_scale: float
    """Turn of the IMU's gravity for a turn of the legs' of 1."""


def fit_attitude(stances: Stances, touches: Touches | None, spec: Spec) -> FittedAttitude:
    """Solve for zeros, mounting and lean. Raises CalibrationError for an IMU whose axes are not the body's, turned."""
    start = np.zeros(21)
    start[15:18] = rotation_vector(rough_mount(stances, spec))
    start[18:] = -stances.bias / FILTER_GAIN
    zero = LIKELY if touches is not None else KNOWN_ZERO
    spread = np.concatenate([np.full(12, zero), [PLAY, TILT, TILT], np.full(3, 9.0), np.full(3, LEAN)])
    expected = np.concatenate([np.zeros(18), start[18:]])

    def residuals(found: Array) -> Array:
        heights, gravity, turns = compare(found, stances, spec)
        felt = np.zeros(0) if touches is None else (misses(found, touches.pos, spec) * touches.met).ravel()
        parts = (felt / FINE, heights / FLAT, gravity / GRAVITY, turns / TURN)
        return np.concatenate([*(part.ravel() for part in parts), (found - expected) / spread])

    found, covariance = fit(residuals, start)
    return _judged(found, covariance, stances, spec)


def compare(found: Array, stances: Stances, spec: Spec) -> tuple[Array, Array, Array]:
    """Feet above their plane (k, 4) [m]; gravity (k, 3) and turns (k - 1, 3), IMU against legs [rad]."""
    up, heights = floor_normals(forward(stances.pos + found[:12], legs_of(spec)))
    mount, upright = rotation(found[15:18]), rotation(-found[18:21])
    gravity = stances.down @ (mount @ upright).T + up
    after = np.array([rotation(-(mount @ turn)) @ before for turn, before in zip(stances.turned, up, strict=False)])
    return heights, gravity, after - up[1:]


def floor_normals(feet: Array) -> tuple[Array, Array]:
    """Unit normals (k, 3) of the planes through feet (k, 4, 3), upward, and the feet's distances (k, 4) from them."""
    around = feet - feet.mean(axis=1, keepdims=True)
    normal = np.linalg.svd(around)[2][:, 2]
    normal *= np.sign(normal[:, 2:])
    return normal, np.einsum("kij,kj->ki", around, normal)


def rough_mount(stances: Stances, spec: Spec) -> Array:
    """(3, 3) the mounting by the turns alone, whatever it is (Kabsch). Raises CalibrationError for a mirrored one."""
    feet = forward(stances.pos, legs_of(spec))
    turns = np.array([_turn_between(a, b) for a, b in itertools.pairwise(feet)])
    mixed = turns.T @ stances.turned
    left, size, right = np.linalg.svd(mixed)
    if size[2] < 0.02 * size[0]:
        raise CalibrationError("the IMU says nothing about one axis: a dead gyro axis, or the robot did not lean")
    mirrored = left @ right
    if np.linalg.det(mirrored) < 0:
        axis = "xyz"[int(np.argmin(np.diag(mirrored)))]
        raise CalibrationError(
            f"the IMU's axes are mirrored: {axis} is negated, or two are swapped; correct its axis map in the firmware"
        )
    rough: Array = mirrored
    return rough


def _turn_between(before: Array, after: Array) -> Array:
    """(3,) how the body turned while its feet (4, 3) stood, in the body axes of before [rad]."""
    left, _, right = np.linalg.svd((before - before.mean(axis=0)).T @ (after - after.mean(axis=0)))
    sign = np.diag([1.0, 1.0, np.sign(np.linalg.det(left @ right))])
    return rotation_vector(left @ sign @ right)


def _judged(found: Array, covariance: Array, stances: Stances, spec: Spec) -> FittedAttitude:
    heights, gravity, turns = compare(found, stances, spec)
    unflat, turn_miss = _rms(heights), _rms(np.linalg.norm(turns, axis=1))
    if unflat > LARGEST_UNFLAT:
        raise CalibrationError(
            f"four feet are {1e3 * unflat:.1f} mm off a plane, {1e3 * LARGEST_UNFLAT:g} at most is right: "
            "calibrate the joints first, on a flat floor, and leave the robot alone while it stands"
        )
    if turn_miss > LARGEST_TURN_MISS:
        raise CalibrationError(
            f"IMU and legs disagree by {turn_miss:.2f} rad about how the robot turned: was it moved, or did it slip?"
        )
    up, _ = floor_normals(forward(stances.pos + found[:12], legs_of(spec)))
    seen, real = np.diff(stances.down, axis=0), np.diff(up, axis=0)
    scale = float(np.sqrt((seen**2).sum() / (real**2).sum()))
    sigma = np.sqrt(np.diag(covariance))[:12]
    gravity_miss = _rms(np.linalg.norm(gravity, axis=1))
    mount, lean = rotation(found[15:18]), found[18:21]
    return FittedAttitude(found[:12], sigma, mount, lean, gravity_miss, turn_miss, unflat, scale)


def _rms(values: Array) -> float:
    return float(np.sqrt(np.mean(values**2)))
