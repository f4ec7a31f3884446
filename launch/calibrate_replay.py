"""A recording's sent targets in the simulator, against what the robot did; with nominal motors and with found ones."""

from dataclasses import dataclass

import numpy as np

from launch.calibrate_dynamics import dynamics_of
from robot.calibration import Calibration
from robot.spec import Spec
from robot.types import Action, Array
from sim.dynamics import NOMINAL, Dynamics
from sim.pupper import SimPupper

PHYSICS_RATE = 1000
"""Steps a second; finer than for training, since this is a measurement."""


@dataclass(frozen=True)
class Course:
    """What a robot was told and what it did, a tick a row."""

    sent: Array
    """(T, 12) targets [rad]."""
    seen: Array
    """(T, 12) joint angles [rad]."""
    age: Array
    """(T,) how old the joint angles were [s], as far as the host could know."""


def replayed(course: Course, spec: Spec, dynamics: Dynamics) -> Array:
    """(T, 12) joint angles that the simulated robot reports when it is told the same."""
    seen = np.empty_like(course.seen)
    with SimPupper(spec, dynamics, physics_rate=PHYSICS_RATE) as robot:
        robot.place(joint_pos=np.clip(course.seen[0], spec.lower, spec.upper))
        for tick, target in enumerate(course.sent):
            seen[tick] = robot.observe().joint_pos
            robot.send(Action(target))
    return seen


def joint_rmse(seen: Array, course: Course) -> float:
    """Over all joints and ticks [rad]."""
    return float(np.sqrt(np.nanmean((seen - course.seen) ** 2)))


def before_and_after(course: Course, spec: Spec, calibration: Calibration) -> tuple[Array, Array]:
    """Simulated joint angles (T, 12) with nominal motors and with this calibration's."""
    return replayed(course, spec, NOMINAL), replayed(course, spec, dynamics_of(calibration))
