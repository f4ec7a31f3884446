"""Standing on planted feet the robot leans, nods and turns; what legs, gyro and gravity say of it.

Where four feet stand on one floor, the legs alone know which way is up; what the IMU says of the same moments, and of
the turns between them, tells how it is mounted.
"""

import itertools
from dataclasses import dataclass

import numpy as np

from leash_robot.calibration.legs import legs_of
from leash_robot.calibration.measurement import MeasurementBench
from leash_robot.robot.bodies.pupper.kinematics import forward, inverse
from leash_robot.robot.errors import CalibrationError
from leash_robot.robot.spec import Legs, Spec
from leash_robot.robot.types import Array

ROLL, PITCH, YAW = 0.24, 0.18, 0.32
"""How far the body turns either way [rad]."""
ROUNDS = 4
"""How often each axis gets its turn."""
MOVE, SETTLE, REST = 0.6, 0.3, 0.3
"""How long a move takes, the wait after it, and the stillness that is measured [s]."""


@dataclass(frozen=True)
class Stances:
    """What was seen in k poses at rest, and between them."""

    pos: Array
    """(k, 12) joint angles, by the calibration that the robot was opened with [rad]."""
    down: Array
    """(k, 3) gravity in the IMU's axes, by its own filter."""
    bias: Array
    """(3,) what the gyro says at rest [rad/s]."""
    turned: Array
    """(k - 1, 3) rotation from one pose to the next, in the IMU's axes of the former [rad]."""


def poses(spec: Spec) -> list[Array]:
    """The joint angles (12,) of each stance: feet as in the stand pose, the body turned, and a little shifted."""
    legs, rng = legs_of(spec), np.random.default_rng(0)
    feet = forward(spec.stand, legs)
    turns = np.array([[ROLL, 0, 0], [-ROLL, 0, 0], [0, PITCH, 0], [0, -PITCH, 0], [0, 0, YAW], [0, 0, -YAW]])
    every = []
    for _ in range(ROUNDS):
        for turn in turns:
            wobble, shift = rng.uniform(-0.04, 0.04, 3), rng.uniform(-1, 1, 3) * (0.01, 0.01, 0.008)
            every.append(_leaning(feet, turn + wobble, shift, legs))
    return every


def _leaning(feet: Array, turn: Array, shift: Array, legs: Legs) -> Array:
    """Joint angles (12,) that turn the body about the middle of its feet's height and shift it."""
    centre = feet.mean(axis=0) * (1.0, 1.0, 0.0)
    moved = (feet - centre - shift) @ rotation(turn) + centre
    pose: Array = inverse(moved, legs)
    return pose


def stand_and_lean(bench: MeasurementBench) -> list[tuple[int, int]]:
    """Go through all poses; returns the first state of each rest and the one behind its last.

    Raises CalibrationError for an absent IMU, or a robot that is moved meanwhile.
    """
    rests = []
    every = poses(bench.robot.spec)
    for number, pose in enumerate(every, 1):
        bench.say(f"standing in pose {number} of {len(every)}")
        bench.move(pose, MOVE)
        bench.hold(SETTLE)
        begin = bench.seen
        log = bench.rest(REST)
        _check_imu(log.rates, log.down)
        rests.append((begin, bench.seen))
    bench.move(bench.robot.spec.stand, MOVE)
    return rests


def seen(bench: MeasurementBench, rests: list[tuple[int, int]]) -> Stances:
    """What the robot said in these rests and between them; for when it no longer waits for commands."""
    logs = [bench.log(begin, end) for begin, end in rests]
    bias = np.concatenate([log.rates for log in logs]).mean(axis=0)
    middles = [(begin + end) // 2 for begin, end in rests]
    turned = [_turned(bench, a, b, bias) for a, b in itertools.pairwise(middles)]
    direction = np.array([log.down.mean(axis=0) for log in logs])
    direction /= np.linalg.norm(direction, axis=1, keepdims=True)
    return Stances(np.array([log.pos.mean(axis=0) for log in logs]), direction, bias, np.array(turned))


def _check_imu(rates: Array, down: Array) -> None:
    if not np.isfinite(rates).all() or not np.isfinite(down).all():
        raise CalibrationError("the robot sends zeros for its IMU; flash firmware that has it on, then calibrate it")


def _turned(bench: MeasurementBench, begin: int, end: int, bias: Array) -> Array:
    """(3,) rotation vector between two states, by the gyro [rad]."""
    log = bench.log(begin, end + 1)
    turn = np.eye(3)
    for rate, after, seconds in zip(log.rates[:-1], log.rates[1:], np.diff(log.clock), strict=True):
        turn = turn @ rotation(((rate + after) / 2 - bias) * seconds)
    return rotation_vector(turn)


def rotation(vector: Array) -> Array:
    """(3, 3) rotation by a vector (3,) whose length is the angle [rad] (Rodrigues)."""
    angle = float(np.linalg.norm(vector))
    if angle < 1e-12:
        return np.eye(3)
    x, y, z = vector / angle
    cross = np.array([[0.0, -z, y], [z, 0.0, -x], [-y, x, 0.0]])
    turn: Array = np.eye(3) + np.sin(angle) * cross + (1 - np.cos(angle)) * cross @ cross
    return turn


def rotation_vector(turn: Array) -> Array:
    """(3,) the vector of a rotation (3, 3) by less than half a turn [rad]."""
    axis = np.array([turn[2, 1] - turn[1, 2], turn[0, 2] - turn[2, 0], turn[1, 0] - turn[0, 1]])
    sine, cosine = np.linalg.norm(axis) / 2, (np.trace(turn) - 1) / 2
    vector: Array = axis / 2 if sine < 1e-9 else axis * (np.arctan2(sine, cosine) / (2 * sine))
    return vector
