"""Joints and IMU of a machine: the procedures from beginning to end, and what they write."""

from dataclasses import replace as evolve

import numpy as np
from msgspec.structs import replace

from leash_robot.calibration.imu.attitude import FittedAttitude, fit_attitude
from leash_robot.calibration.imu.stances import seen, stand_and_lean
from leash_robot.calibration.joints.stops import against_stops
from leash_robot.calibration.joints.touch import Touches, feel, fold, unfold
from leash_robot.calibration.joints.zeros import Zeros, fit_zeros
from leash_robot.calibration.session import CalibrationSession, Found
from leash_robot.calibration.settings import PRESSING, lying, standing
from leash_robot.robot.calibration import Calibration
from leash_robot.robot.types import Array


def find_zeros(session: CalibrationSession) -> Zeros:
    """Feel for the floor, lying: about 45 s. Raises CalibrationError."""
    with session.open(lying(session.spec), session.given) as robot:
        bench = session.bench(robot)
        bench.stand_by()
        unfold(bench)
        touches = feel(bench, np.zeros(12))
        fold(bench)
    # Note: only now, since a robot that gets no commands while somebody thinks is stopped by its gate
    return fit_zeros(touches, session.spec)


def find_attitude(session: CalibrationSession, touches: Touches | None, zeros: Array) -> tuple[FittedAttitude, Array]:
    """Stand in many poses: about 40 s; also the gyro's bias (3,) [rad/s]. Raises CalibrationError.

    Note: opened with the zeros that were found, since on legs of which one is too long weak motors do not stand up.
    """
    offset = (np.array(session.given.joint_offset) + zeros).tolist()
    zeroed = evolve(session, given=replace(session.given, joint_offset=tuple(offset)))
    with zeroed.open(standing(session.spec), zeroed.given) as robot:
        bench = zeroed.bench(robot)
        bench.stand_by()
        rests = stand_and_lean(bench)
    stances = seen(bench, rests)
    stances = evolve(stances, pos=stances.pos - zeros)
    return fit_attitude(stances, touches, session.spec), stances.bias


def calibrate_joints(session: CalibrationSession) -> Found:
    """Zeros by touch alone: what a robot needs that was switched off. Raises CalibrationError."""
    zeros = find_zeros(session)
    figures = {
        "touch_miss_mm": 1e3 * float(zeros.miss.max()),
        "joint_sigma_deg": float(np.degrees(zeros.sigma.max())),
        "joints_turned_about": float((zeros.sign < 0).sum()),
    }
    return _with_zeros(_turned(session, zeros).given, zeros.offset, figures), figures


def calibrate_by_stops(session: CalibrationSession) -> Found:
    """Zeros by the hard stops, where no floor is at hand: about 20 s. Raises CalibrationError."""
    with session.open(lying(session.spec, beyond=PRESSING), session.given) as robot:
        bench = session.bench(robot)
        bench.stand_by()
        offset = against_stops(bench)
    figures = {"largest_zero_deg": float(np.degrees(np.abs(offset).max()))}
    return _with_zeros(session.given, offset, figures), figures


def calibrate_imu(session: CalibrationSession) -> Found:
    """Mounting, bias and lean of the IMU, with zeros as they are known. Raises CalibrationError."""
    attitude, bias = find_attitude(session, None, np.zeros(12))
    figures = _figures(attitude)
    return _with_imu(session.given, attitude, bias, figures), figures


def calibrate_joints_and_imu(session: CalibrationSession) -> Found:
    """Zeros and IMU at once, each making the other better. Raises CalibrationError."""
    zeros = find_zeros(session)
    session = _turned(session, zeros)
    attitude, bias = find_attitude(session, zeros.used, zeros.offset)
    figures = {"touch_miss_mm": 1e3 * float(zeros.miss.max()), **_figures(attitude)}
    figures["joint_sigma_deg"] = float(np.degrees(attitude.sigma.max()))
    found = _with_zeros(session.given, attitude.offset, figures)
    return _with_imu(found, attitude, bias, figures), figures


def _turned(session: CalibrationSession, zeros: Zeros) -> CalibrationSession:
    """The same machine, with the joints turned about that were found to turn the other way."""
    sign = tuple(int(one) for one in zeros.sign * session.given.joint_sign)
    offset = tuple((zeros.sign * session.given.joint_offset).tolist())
    return evolve(session, given=replace(session.given, joint_sign=sign, joint_offset=offset))


def _figures(attitude: FittedAttitude) -> dict[str, float]:
    return {
        "stance_unflat_mm": 1e3 * attitude.unflat,
        "imu_turn_miss_deg": float(np.degrees(attitude.turn_miss)),
        "imu_gravity_miss_deg": float(np.degrees(attitude.gravity_miss)),
        "imu_gravity_scale": attitude.gravity_scale,
    }


def _with_zeros(given: Calibration, found: Array, figures: dict[str, float]) -> Calibration:
    """Note: an offset of more than half a turn is the same joint counted from another turn of the motor."""
    offset = np.remainder(np.array(given.joint_offset) + found + np.pi, 2 * np.pi) - np.pi
    return replace(given, joint_offset=tuple(offset.round(6).tolist()), residuals=given.residuals | figures)


def _with_imu(given: Calibration, attitude: FittedAttitude, bias: Array, figures: dict[str, float]) -> Calibration:
    rows = attitude.mount.round(6).tolist()
    return replace(
        given,
        imu_mount=tuple(tuple(row) for row in rows),
        gyro_bias=tuple(bias.round(6).tolist()),
        imu_lean=tuple(attitude.lean.round(6).tolist()),
        residuals=given.residuals | figures,
    )
