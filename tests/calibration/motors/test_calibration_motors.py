"""The leg model agrees with an independent one; motors that were put in come out; a log without motion is refused."""

from dataclasses import replace

import mujoco
import numpy as np
import pytest

from leash_robot.calibration.motors.fit import fit_motors
from leash_robot.calibration.motors.leg_model import inertia_and_load
from leash_robot.robot.bodies.pupper.kinematics import SIDE
from leash_robot.robot.errors import CalibrationError
from leash_robot.sim.twin.dynamics import TwinDynamics
from leash_robot.sim.twin.model import ROTOR_INERTIA, build
from support.motor_runs import SPEC, TRUE, run


def test_inertia_and_load_are_those_of_an_independent_model() -> None:
    model = build(TwinDynamics())
    data, rng = mujoco.MjData(model), np.random.default_rng(0)
    data.qpos[2] = 1.0
    for _ in range(5):
        joints, speeds = rng.uniform(-1.0, 1.0, 12), np.zeros(12)
        speeds[1::3], speeds[2::3] = rng.uniform(-5, 5, 4), rng.uniform(-5, 5, 4)
        data.qpos[7:], data.qvel[6:] = joints, speeds
        mujoco.mj_forward(model, data)
        full = np.zeros((model.nv, model.nv))
        for column, unit in zip(full, np.eye(model.nv), strict=True):
            mujoco.mj_mulM(model, data, column, unit)
        mass, load = inertia_and_load(joints.reshape(4, 3).T, speeds.reshape(4, 3).T, SIDE, np.array([0.0, 0.0, -1.0]))
        for leg in range(4):
            rows = slice(6 + 3 * leg, 9 + 3 * leg)
            theirs = full[rows, rows] - ROTOR_INERTIA * np.eye(3)
            np.testing.assert_allclose(mass[leg], theirs, atol=4e-6)
            np.testing.assert_allclose(load[1:, leg], -data.qfrc_bias[rows][1:], atol=2e-4)


def test_motors_are_found_from_what_their_legs_did() -> None:
    found = fit_motors([run(1), run(2)], SPEC.names)
    spring, damper = found.value[0] * found.value[2], found.value[1] * found.value[2]
    assert spring == pytest.approx(TRUE[0] * TRUE[2], rel=0.04)
    assert damper == pytest.approx(TRUE[1] * TRUE[2], rel=0.04)
    np.testing.assert_allclose(found.value[[2, 3, 5]], TRUE[[2, 3, 5]], rtol=0.08)
    assert found.value[6] == pytest.approx(TRUE[6], abs=0.001)
    assert found.after < 0.3 * found.before


def test_a_log_without_excitation_names_the_joint() -> None:
    still = run(2)
    still.pos[:, 3] = still.pos[0, 3]
    with pytest.raises(CalibrationError, match="back_left_knee moved by 0.00 rad"):
        fit_motors([still], SPEC.names)


def test_legs_that_no_motor_explains_are_refused() -> None:
    odd = run(2)
    with pytest.raises(CalibrationError, match="no motors explain"):
        fit_motors([replace(odd, pos=odd.pos[::-1].copy(), vel=-odd.vel[::-1])], SPEC.names)
