"""A recording's sent targets in the simulator, against what the robot did; with nominal motors and with found ones."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from leash_robot.launch.calibration.dynamics import dynamics_of
from leash_robot.robot.calibration import Calibration
from leash_robot.robot.spec import Spec
from leash_robot.robot.types import Action, Array, Observation
from leash_robot.sim.pybullet.robot import SimPupper
from leash_robot.sim.randomization.dynamics import NOMINAL, Dynamics

PHYSICS_RATE = 1000
"""Steps a second; finer than for training, since this is a measurement."""


@dataclass(frozen=True)
class Seen:
    """What a robot did, a tick a row; NaN is not measured."""

    joint_pos: Array
    """(T, 12) [rad]"""
    gravity: Array
    """(T, 3) down, in the body's axes."""
    gyro: Array
    """(T, 3) [rad/s]"""


@dataclass(frozen=True)
class Course:
    """What a robot was told and what it did."""

    sent: Array
    """(T, 12) targets [rad]."""
    seen: Seen


def seen_of(ticks: Sequence[Observation]) -> Seen:
    """What these observations say."""
    return Seen(
        np.array([obs.joint_pos for obs in ticks]),
        np.array([obs.gravity for obs in ticks]),
        np.array([obs.gyro for obs in ticks]),
    )


def replayed(course: Course, spec: Spec, dynamics: Dynamics) -> Seen:
    """What the simulated robot reports when it is told the same."""
    seen = []
    with SimPupper(spec, dynamics, physics_rate=PHYSICS_RATE) as robot:
        robot.place(joint_pos=np.clip(course.seen.joint_pos[0], spec.lower, spec.upper))
        for target in course.sent:
            seen.append(robot.observe())
            robot.send(Action(target))
    return seen_of(seen)


def joint_rmse(simulated: Seen, course: Course) -> float:
    """Over all joints and ticks [rad]."""
    return _rms(simulated.joint_pos - course.seen.joint_pos)


def tilt_rmse(simulated: Seen, course: Course) -> float:
    """Angle between what both bodies took for down [deg]; NaN without an IMU."""
    across = np.linalg.norm(np.cross(simulated.gravity, course.seen.gravity), axis=1)
    return _rms(np.degrees(np.arctan2(across, (simulated.gravity * course.seen.gravity).sum(axis=1))))


def turn_rmse(simulated: Seen, course: Course) -> float:
    """Over the three rates of the bodies [rad/s]; NaN without an IMU."""
    return _rms(simulated.gyro - course.seen.gyro)


def _rms(errors: Array) -> float:
    """NaN where nothing was measured."""
    known = errors[np.isfinite(errors)]
    return float(np.sqrt(np.mean(known**2))) if known.size else float("nan")


def before_and_after(course: Course, spec: Spec, calibration: Calibration) -> tuple[Seen, Seen]:
    """What simulated robots do with nominal motors and with this calibration's."""
    return replayed(course, spec, NOMINAL), replayed(course, spec, dynamics_of(calibration))
