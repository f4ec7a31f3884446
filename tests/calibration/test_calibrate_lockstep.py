"""The procedures on the twin itself, in virtual time, through the ordinary driver and the gate's rules."""

import numpy as np
import pytest
from msgspec.structs import replace

from leash_robot.calibration.joints.procedure import calibrate_by_stops, calibrate_imu, calibrate_joints
from leash_robot.calibration.joints.touch import unfold
from leash_robot.calibration.measurement import MeasurementBench
from leash_robot.calibration.selftest import remaining_errors
from leash_robot.calibration.session import CalibrationSession
from leash_robot.calibration.settings import lying
from leash_robot.launch.commands.calibrate.selftest import known_errors, opener, summary
from leash_robot.robot.calibration import Calibration, CalibrationEstimate
from leash_robot.robot.errors import CalibrationError
from leash_robot.robot.spec import load_spec
from leash_robot.robot.types import Action
from leash_robot.sim.firmware.homing import SIGNS
from leash_robot.sim.randomization.uncalibrated_twin import draw_machine, true_mount
from leash_robot.sim.twin.dynamics import TwinDynamics
from leash_robot.sim.twin.machine import Twin
from leash_robot.sim.twin.virtual_time import lockstep

SPEC = load_spec()
BARE = Calibration.identity(SPEC)


def session(twin: Twin, say: object = None) -> CalibrationSession:
    return CalibrationSession(SPEC, BARE, opener(twin), say if callable(say) else (lambda _: None))


def test_a_machine_with_eight_degrees_of_error_finds_its_zeros_in_a_minute() -> None:
    machine = draw_machine(11)
    twin = Twin(machine, seed=1)
    begin = twin.ms
    found, figures = calibrate_joints(session(twin))
    left = np.abs(np.degrees(found.joint_offset) + machine.joint_zero_deg)
    assert left.max() < 0.8
    assert np.percentile(left, 95) < 0.5
    assert twin.ms - begin < 60_000
    assert figures["touch_miss_mm"] < 0.5


def test_an_abduction_with_the_wrong_sign_is_turned_about() -> None:
    wrong = replace(BARE, joint_sign=(1, 1, 1, -1, *BARE.joint_sign[4:]))
    found, figures = calibrate_joints(CalibrationSession(SPEC, wrong, opener(Twin(seed=2))))
    assert found.joint_sign == BARE.joint_sign
    assert figures["joints_turned_about"] == 1
    assert np.abs(np.degrees(found.joint_offset)).max() < 0.5


def test_the_hard_stops_tell_the_zeros_of_a_robot_that_did_not_home_well() -> None:
    twin = Twin(TwinDynamics(kp=0.8, motor_strength=0.8, action_latency_ms=20.0, telemetry_latency_ms=10.0), seed=1)
    wrong = np.radians(np.random.default_rng(0).uniform(-8.0, 8.0, 12))
    twin.firmware.drive.zero -= SIGNS * wrong
    twin.advance(50)
    begin = twin.ms
    found, _ = calibrate_by_stops(session(twin))
    assert np.abs(np.degrees(found.joint_offset + wrong)).max() < 0.5
    assert twin.ms - begin < 60_000


def test_a_leg_that_is_blocked_before_its_stop_is_named() -> None:
    twin = Twin()
    twin.body.model.jnt_range[twin.body.model.joint("front_left_hip").id, 1] = np.radians(220.0)
    with pytest.raises(CalibrationError, match="front_left_hip stood 3. deg from its stop"):
        calibrate_by_stops(session(twin))


def test_lock_step_comes_out_the_same_every_time() -> None:
    runs = []
    for _ in range(2):
        twin = Twin(TwinDynamics(action_latency_ms=20.0, telemetry_latency_ms=10.0), seed=3)
        with lockstep(lying(SPEC), twin) as robot:
            bench = MeasurementBench(robot, BARE)
            bench.stand_by()
            bench.hold(0.5)
            runs.append([frame.pos for frame in bench.log().frames])
    assert len(runs[0]) >= 40
    assert runs[0] == runs[1]


def test_a_robot_that_was_left_is_off() -> None:
    twin = Twin()
    with lockstep(SPEC, twin) as robot:
        robot.reset()
        robot.send(Action(SPEC.stand, source="safety"))
        assert robot.gate.cause == "a soft stop was asked for"
    assert twin.firmware.drive.mode.name == "IDLE"


def test_a_leg_that_does_not_move_is_named_and_ends_it() -> None:
    twin = Twin()
    with lockstep(lying(SPEC), twin) as robot:
        bench = MeasurementBench(robot, BARE)
        bench.stand_by()
        twin.firmware.drive.active[3:6] = 0.0
        with pytest.raises(CalibrationError, match=r"front_left_\w+ is .* rad from its target: is the leg blocked"):
            unfold(bench)


def test_a_robot_without_an_imu_is_told_so() -> None:
    with pytest.raises(CalibrationError, match="sends zeros for its IMU"):
        calibrate_imu(session(Twin(firmware="head")))


def test_a_robot_that_is_pushed_while_it_should_be_still_is_refused() -> None:
    twin = Twin()
    with lockstep(lying(SPEC), twin) as robot:
        bench = MeasurementBench(robot, BARE)
        bench.stand_by()
        twin.push(np.array([0.0, 1.5, 0.5]))
        with pytest.raises(CalibrationError, match="while it should be still"):
            bench.rest(0.5)


def test_a_gate_that_stops_the_robot_ends_it_with_its_cause() -> None:
    twin = Twin()
    with lockstep(lying(SPEC), twin) as robot:
        bench = MeasurementBench(robot, BARE)
        bench.stand_by()
        robot.send(Action(SPEC.rest, source="safety"))
        with pytest.raises(CalibrationError, match="the gate stopped the robot .a soft stop was asked for."):
            bench.hold(0.2)


def test_drawn_machines_have_every_error() -> None:
    machine = draw_machine(0)
    assert machine != draw_machine(1)
    assert machine == draw_machine(0)
    assert min(map(abs, machine.joint_zero_deg)) > 0.0
    assert machine.coulomb != 1.0
    np.testing.assert_allclose(np.linalg.det(true_mount(machine)), 1.0)


def test_a_perfect_calibration_has_no_errors_left() -> None:
    machine = TwinDynamics(joint_zero_deg=(3.0,) * 12, action_latency_ms=10.0, telemetry_latency_ms=5.0)
    right = Calibration(
        "m",
        BARE.date,
        (-float(np.radians(3.0)),) * 12,
        (1,) * 12,
        motors={
            "kp": CalibrationEstimate(1.0, 0.0),
            "kd": CalibrationEstimate(1.0, 0.0),
            "motor_strength": CalibrationEstimate(0.2435 / 0.2484, 0.0),
            "joint_friction": CalibrationEstimate(0.04045 - 0.021, 0.0),
            "rotor_inertia": CalibrationEstimate(1.0, 0.0),
        },
        latency={"round_trip_ms": CalibrationEstimate(15.0, 0.0)},
    )
    left = remaining_errors(right, known_errors(machine))
    assert max(max(values) for values in left.values()) < 1e-6
    one = {
        "seed": 0,
        "robot_s": 130.0,
        "errors": left,
        "replay_before_rad": 0.1,
        "replay_after_rad": 0.02,
        "walk_before": 0.2,
        "walk_after": 0.1,
    }
    figures = summary([one, {"seed": 1, "failed": "why"}])
    assert (figures["transfer_better"], figures["machines"], figures["failures"]) == (1, 2, {"1": "why"})
    assert figures["replay_rmse_ratio"] == pytest.approx(0.2)
    with pytest.raises(CalibrationError, match="no machine could be calibrated; the first says: why"):
        summary([{"seed": 1, "failed": "why"}])
