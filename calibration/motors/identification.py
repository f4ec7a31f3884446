"""Motors and delays of a machine: the legs move in the air, the model is fitted, the calibration is written."""

import itertools

import numpy as np
from msgspec.structs import replace

from leash_robot.calibration.joints.touch import fold, unfold
from leash_robot.calibration.latency.delays import Lags, lags
from leash_robot.calibration.legs import four
from leash_robot.calibration.measurement import MeasurementBench
from leash_robot.calibration.motors.excitation import CENTRE, HARD, KINDS, OPPOSED, SWING, wave
from leash_robot.calibration.motors.fit import FittedMotors, Run, fit_motors
from leash_robot.calibration.motors.leg_model import TargetCourse
from leash_robot.calibration.session import CalibrationSession, Found
from leash_robot.calibration.settings import lying
from leash_robot.robot.bodies.pupper.kinematics import SIDE
from leash_robot.robot.calibration import Calibration, CalibrationEstimate
from leash_robot.robot.types import Array

TORQUE_PER_AMP, COULOMB, INERTIA = 0.2484, 0.021, 0.0028
"""Of the simulator's nominal motor, of which its dynamics file gives scales and additions [N m/A], [N m], [kg m2]."""
DOWN: Array = np.array([0.0, 0.0, -1.0])
"""The belly lies on a level floor."""
BEFORE = 3
"""Targets before an excitation that may still be on their way when it begins."""


def excite(session: CalibrationSession) -> tuple[list[Run], MeasurementBench]:
    """Lie down, legs up, and move each kind of joint: about 45 s. Raises CalibrationError."""
    with session.open(lying(session.spec, HARD), session.given) as robot:
        bench = session.bench(robot)
        bench.stand_by()
        unfold(bench)
        bench.move(four(CENTRE), 1.0)
        bench.hold(0.5)
        marks = []
        for kind, name in enumerate(KINDS):
            bench.say(f"moving the {name} joints")
            marks.append((kind, len(bench.sent), bench.seen))
            _move(bench, kind)
        marks.append((-1, len(bench.sent), bench.seen))
        fold(bench)
    return [_run(bench, begin, end) for begin, end in itertools.pairwise(marks)], bench


def _move(bench: MeasurementBench, kind: int) -> None:
    signs = OPPOSED[kind] * (SIDE if kind == 0 else 1.0)
    for share in wave(bench.robot.spec.rate):
        pose = four(CENTRE).reshape(4, 3)
        pose[:, kind] += signs * SWING[kind] * share
        bench.tick(pose.ravel())


def _run(bench: MeasurementBench, begin: tuple[int, int, int], end: tuple[int, int, int]) -> Run:
    """One excitation, on the machine's clock, which is free of the line's jitter."""
    kind = begin[0]
    log = bench.log(begin[2], end[2])
    offset = float(np.median(log.arrived - log.clock)) + log.clock[0]
    sent = bench.sent[max(0, begin[1] - BEFORE) : end[1]]
    course = TargetCourse(
        begin=_legs(log.pos)[0],
        sent=np.array([time for time, _ in sent]) - offset,
        targets=_legs(np.array([target for _, target in sent])),
        ticks=np.rint((log.clock - log.clock[0]) * 1e3).astype(np.int64),
        side=SIDE,
        down=DOWN,
        gains=HARD,
    )
    return Run(kind, course, _legs(log.pos)[:, kind], _legs(log.vel)[:, kind])


def _legs(rows: Array) -> Array:
    """(k, 3, 4) from (k, 12)."""
    return np.moveaxis(rows.reshape(-1, 4, 3), 1, 2)


def calibrate_motors(session: CalibrationSession) -> Found:
    """Motors and delays; joints should be calibrated. Raises CalibrationError."""
    runs, bench = excite(session)
    session.say("fitting the motors")
    motors = fit_motors(runs, session.spec.names)
    late = lags(runs, motors, bench)
    figures = {
        "motor_rms_before_mrad": 1e3 * motors.before,
        "motor_rms_after_mrad": 1e3 * motors.after,
        "fastest_rad_s": max(float(np.abs(run.vel).max()) for run in runs),
        "round_trip_p50_ms": late.round_trip[0],
        "round_trip_p95_ms": late.round_trip[1],
        "telemetry_jitter_p50_ms": late.jitter[0],
        "telemetry_jitter_p95_ms": late.jitter[1],
        "state_age_p50_ms": late.age[0],
        "state_age_p95_ms": late.age[1],
    }
    return with_motors(session.given, motors, late, figures), figures


def with_motors(given: Calibration, motors: FittedMotors, late: Lags, figures: dict[str, float]) -> Calibration:
    """What was found, under the names that the simulator's dynamics file has."""
    kp, kd, per_amp, coulomb, _, inertia, delay = (
        (float(value), float(sigma)) for value, sigma in zip(motors.value, motors.sigma, strict=True)
    )
    found = {
        "kp": kp,
        "kd": kd,
        "motor_strength": (per_amp[0] / TORQUE_PER_AMP, per_amp[1] / TORQUE_PER_AMP),
        "joint_friction": (max(0.0, coulomb[0] - COULOMB), coulomb[1]),
        "rotor_inertia": (inertia[0] / INERTIA, inertia[1] / INERTIA),
    }
    delays = {
        "round_trip_ms": (1e3 * delay[0], max(1e3 * delay[1], 0.1)),
        "telemetry_jitter_ms": (late.jitter[0], late.jitter[1]),
        "state_age_ms": (late.age[0], (late.age[1] - late.age[0]) / 2),
    }
    return replace(
        given,
        motors={name: CalibrationEstimate(round(value, 6), round(sigma, 6)) for name, (value, sigma) in found.items()},
        latency={
            name: CalibrationEstimate(round(value, 3), round(sigma, 3)) for name, (value, sigma) in delays.items()
        },
        residuals=given.residuals | figures,
    )
