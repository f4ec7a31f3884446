"""Velocity by the legs: exact where feet stand, near the truth on the twin."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from leash_robot.policies.scripted.gait import Trot
from leash_robot.robot.bodies.pupper.kinematics import forward, inverse
from leash_robot.robot.loop import run
from leash_robot.robot.odometry import SMOOTH, Odometry
from leash_robot.robot.spec import Legs, load_spec
from leash_robot.robot.types import Array, Observation, Tick, unknown
from leash_robot.robot.velocity_command import ConstantCommand
from leash_robot.sim.twin.machine import Twin
from leash_robot.sim.twin.virtual_time import lockstep

SPEC = load_spec()
LEGS = SPEC.legs or Legs(0.1, 0.047, 0.0335, 0.08, 0.11, 0.0095)
SPEED = st.floats(-0.4, 0.4)


def seen(time: float, joint_pos: Array, gyro: Array) -> Observation:
    down, none = np.array([0.0, 0.0, -1.0]), np.zeros(12)
    return Observation(time, 0.0, joint_pos, none, unknown(12), down, gyro, unknown(3))


@given(vx=SPEED, vy=SPEED, turn=st.floats(-1.0, 1.0))
def test_standing_feet_tell_the_velocity(vx: float, vy: float, turn: float) -> None:
    """The same footholds in the world, seen from a body that has moved and turned about its own axis."""
    odometry, period = Odometry(LEGS), 0.05
    feet = forward(SPEC.stand, LEGS)
    odometry.step(seen(0.0, SPEC.stand, np.array([0.0, 0.0, turn])))
    angle, moved = turn * period, np.array([vx, vy, 0.0]) * period
    back = np.array([[np.cos(angle), np.sin(angle), 0], [-np.sin(angle), np.cos(angle), 0], [0, 0, 1]])
    joints = inverse((feet - moved) @ back.T, LEGS)
    estimate = odometry.step(seen(period, joints, np.array([0.0, 0.0, turn])))
    np.testing.assert_allclose(estimate.velocity / SMOOTH, [vx, vy, 0.0], atol=0.02)
    assert estimate.height == pytest.approx(-feet[0, 2] + LEGS.foot_radius, abs=1e-6)


def test_a_lifted_foot_is_not_believed() -> None:
    odometry = Odometry(LEGS)
    feet = forward(SPEC.stand, LEGS)
    lifted = feet.copy()
    lifted[0] += [0.03, 0.0, 0.04]
    odometry.step(seen(0.0, SPEC.stand, np.zeros(3)))
    estimate = odometry.step(seen(0.05, inverse(lifted, LEGS), np.zeros(3)))
    assert np.abs(estimate.velocity).max() < 1e-3


class Compared:
    """Fits `Log`: the estimate beside the truth."""

    def __init__(self, twin: Twin) -> None:
        self.odometry, self.twin = Odometry(LEGS), twin
        self.rows: list[tuple[Array, Array]] = []

    def __enter__(self) -> "Compared":
        return self

    def __exit__(self, *exc: object) -> None:
        return None

    def add(self, tick: Tick) -> None:
        self.rows.append((self.odometry.step(tick.obs).velocity, self.twin.truth().velocity))


def test_on_a_walking_twin_it_is_right_on_the_average() -> None:
    twin = Twin(seed=2)
    with lockstep(SPEC, twin, needs_imu=True) as robot:
        robot.reset()
        compared = Compared(twin)
        run(robot, ConstantCommand(Trot(SPEC), (0.25, 0.0, 0.0)), compared, ticks=100)
    guessed, true = (np.array(rows)[30:].mean(axis=0) for rows in zip(*compared.rows, strict=True))
    assert true[0] > 0.15
    assert np.abs(guessed - true)[:2].max() < 0.06
