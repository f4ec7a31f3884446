"""How far a calibration is from the truth about a machine whose errors are known."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from leash_robot.calibration.imu.stances import rotation_vector
from leash_robot.calibration.motors.identification import COULOMB, INERTIA, TORQUE_PER_AMP
from leash_robot.robot.calibration import Calibration
from leash_robot.robot.types import Array


@dataclass(frozen=True, eq=False)
class KnownErrors:
    """The truth about a simulated machine of n joints."""

    joint_zero_deg: Array
    """(n,)"""
    imu_mount: Array
    """(3, 3) from the IMU's axes to the body's."""
    gyro_bias: Array
    """(3,) [rad/s]"""
    round_trip_ms: float
    motors: Mapping[str, float]
    """The names of `identified_motors`, in SI units."""


def identified_motors(calibration: Calibration) -> dict[str, float]:
    """Spring and damping constant of a joint for the firmware's gain of 1, and the other motor parameters, in SI."""
    value = {name: estimate.value for name, estimate in calibration.motors.items()}
    per_amp = TORQUE_PER_AMP * value["motor_strength"]
    return {
        "kp": value["kp"] * per_amp,
        "kd": value["kd"] * per_amp,
        "torque_limit": per_amp,
        "coulomb": COULOMB + value["joint_friction"],
        "rotor_inertia": INERTIA * value["rotor_inertia"],
    }


def remaining_errors(calibration: Calibration, truth: KnownErrors) -> dict[str, list[float]]:
    """What is left of every error, by figure; several numbers where a figure is about several things."""
    zeros = np.degrees(calibration.joint_offset) + truth.joint_zero_deg
    mount = rotation_vector(np.array(calibration.imu_mount).T @ truth.imu_mount)
    found = identified_motors(calibration)
    return {
        "joint_zero_deg": np.abs(zeros).tolist(),
        "imu_mount_deg": [float(np.degrees(np.linalg.norm(mount)))],
        "gyro_bias": np.abs(np.array(calibration.gyro_bias) - truth.gyro_bias).tolist(),
        "delay_ms": [abs(calibration.latency["round_trip_ms"].value - truth.round_trip_ms)],
        **{f"motor_{name}_percent": [100 * abs(found[name] / value - 1)] for name, value in truth.motors.items()},
    }
