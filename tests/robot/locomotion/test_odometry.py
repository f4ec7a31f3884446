"""Velocity by the legs: exact where feet stand, near the truth on the twin."""

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from leash_robot.policies.scripted.gait import Trot
from leash_robot.robot.bodies.pupper.kinematics import forward, inverse, jacobian
from leash_robot.robot.locomotion.odometry import SMOOTH, Odometry
from leash_robot.robot.locomotion.velocity_command import ConstantCommand
from leash_robot.robot.loop import run
from leash_robot.robot.spec import Legs, load_spec
from leash_robot.robot.types import Array, Observation, Tick, unknown
from leash_robot.sim.twin.machine import Twin
from leash_robot.sim.twin.virtual_time import lockstep

SPEC = load_spec()
LEGS = SPEC.legs or Legs(0.1, 0.047, 0.0335, 0.08, 0.11, 0.0095)
SPEED = st.floats(-0.4, 0.4)


def seen(joint_pos: Array, joint_vel: Array, gyro: Array) -> Observation:
    return Observation(0.0, 0.0, joint_pos, joint_vel, unknown(12), np.array([0.0, 0.0, -1.0]), gyro, unknown(3))


def velocities(feet: Array) -> Array:
    """(12,) joint velocities that move the foot centres so, in the stand pose."""
    lever = jacobian(SPEC.stand, LEGS)
    return np.linalg.solve(lever, feet[..., None]).astype(np.float64).ravel()


@given(vx=SPEED, vy=SPEED, turn=st.floats(-1.0, 1.0))
def test_standing_feet_tell_the_velocity(vx: float, vy: float, turn: float) -> None:
    """Feet at rest on the floor, seen from a body that moves and turns about its own axis; points, no balls."""
    points = msgspec.structs.replace(LEGS, foot_radius=1e-9)
    feet, gyro = forward(SPEC.stand, LEGS), np.array([0.0, 0.0, turn])
    away = -np.array([vx, vy, 0.0]) - np.cross(gyro, feet)
    estimate = Odometry(points, SPEC.gains).step(seen(SPEC.stand, velocities(away), gyro))
    np.testing.assert_allclose(estimate.velocity / SMOOTH, [vx, vy, 0.0], atol=1e-6)
    assert estimate.height == pytest.approx(-feet[0, 2], abs=1e-6)


def test_ball_shaped_feet_roll_and_carry_the_body_farther() -> None:
    """A leg that turns about a foot on the floor, rigid below the hip, moves its hip by the ball's radius more."""
    rate = np.tile([0.0, 1.0, 0.0], 4)
    feet = forward(SPEC.stand, LEGS)
    height = -feet[0, 2] + LEGS.foot_radius
    estimate = Odometry(LEGS, SPEC.gains).step(seen(SPEC.stand, rate, np.zeros(3)))
    assert estimate.velocity[0] / SMOOTH == pytest.approx(height, rel=0.01)


def test_a_lifted_foot_counts_little_and_one_that_is_not_pressed_down_less() -> None:
    feet = forward(SPEC.stand, LEGS)
    feet[0] += [0.0, 0.0, 0.04]
    joints, swing = inverse(feet, LEGS), np.zeros(12)
    swing[:3] = [0.0, 3.0, 0.0]
    errors = []
    for lowered in (0.0, 0.01):
        below = inverse(feet - [[0, 0, 0], *3 * [[0, 0, lowered]]], LEGS)
        estimate = Odometry(LEGS, SPEC.gains).step(seen(joints, swing, np.zeros(3)), below)
        errors.append(np.abs(estimate.velocity).max())
    assert errors[1] < 0.3 * errors[0] < 0.03


class Compared:
    """Fits `Log`: the estimate beside the truth."""

    def __init__(self, twin: Twin) -> None:
        self.odometry, self.twin = Odometry(LEGS, SPEC.gains), twin
        self.target: Array | None = None
        self.rows: list[tuple[Array, Array]] = []

    def __enter__(self) -> "Compared":
        return self

    def __exit__(self, *exc: object) -> None:
        return None

    def add(self, tick: Tick) -> None:
        self.rows.append((self.odometry.step(tick.obs, self.target).velocity, self.twin.truth().velocity))
        self.target = tick.sent.joint_pos


@pytest.mark.parametrize("speed", [-0.2, 0.2, 0.4])
def test_on_a_walking_twin_it_is_right_on_the_average(speed: float) -> None:
    twin = Twin(seed=2)
    with lockstep(SPEC, twin, needs_imu=True) as robot:
        robot.reset()
        compared = Compared(twin)
        run(robot, ConstantCommand(Trot(SPEC), (speed, 0.0, 0.0)), compared, ticks=120)
    guessed, true = (np.array(rows)[40:].mean(axis=0) for rows in zip(*compared.rows, strict=True))
    assert abs(true[0]) > 0.15
    assert np.abs(guessed - true)[:2].max() < 0.02
