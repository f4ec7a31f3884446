"""Simulated machines with known errors, drawn at random, and how far a calibration is from the truth about them."""

from collections.abc import Mapping

import numpy as np
from msgspec.structs import replace

from leash_robot.calibration.imu.stances import rotation_vector
from leash_robot.calibration.motors.identification import COULOMB, INERTIA, TORQUE_PER_AMP
from leash_robot.robot.calibration import Calibration
from leash_robot.robot.types import Array
from leash_robot.sim.twin import model as twin_model
from leash_robot.sim.twin import motor as twin_motor
from leash_robot.sim.twin.dynamics import Dynamics, Imu

ZERO_DEG, MOUNT_DEG, BIAS, DELAY_MS, SHARE = 8.0, 5.0, 0.05, 60.0, 0.3
"""Largest error of a joint's zero, of the IMU's mounting about each axis, of the gyro [rad/s], delays of both ways, and
of every motor parameter as a share of it."""
SCALES = ("kp", "kd", "coulomb", "rotor_inertia", "motor_strength")


def draw_machine(seed: int) -> Dynamics:
    """A machine that has all errors at once; noise of the sensors is on."""
    rng = np.random.default_rng(seed)

    def three(largest: float) -> tuple[float, float, float]:
        x, y, z = rng.uniform(-largest, largest, 3).tolist()
        return x, y, z

    scales = {name: float(rng.uniform(1 - SHARE, 1 + SHARE)) for name in SCALES}
    machine = Dynamics(
        joint_zero_deg=tuple(rng.uniform(-ZERO_DEG, ZERO_DEG, 12).tolist()),
        imu=Imu(mount_deg=three(MOUNT_DEG), gyro_bias=three(BIAS)),
        action_latency_ms=float(rng.uniform(0, DELAY_MS)),
        telemetry_latency_ms=float(rng.uniform(0, DELAY_MS)),
    )
    return replace(machine, **scales)


def true_mount(dynamics: Dynamics) -> Array:
    """(3, 3) from the IMU's axes to the body's: about x, then the new y, then the new z."""
    turn = np.eye(3)
    for axis, angle in enumerate(np.radians(dynamics.imu.mount_deg)):
        sine, cosine = np.sin(angle), np.cos(angle)
        a, b = (axis + 1) % 3, (axis + 2) % 3
        about = np.eye(3)
        about[a, a], about[a, b], about[b, a], about[b, b] = cosine, -sine, sine, cosine
        turn = turn @ about
    return turn


def true_motors(dynamics: Dynamics) -> dict[str, float]:
    """Spring and damping constant of a joint for the firmware's gain of 1, and the other motor parameters, in SI."""
    per_amp = twin_motor.TORQUE_PER_AMP * dynamics.motor_strength
    return {
        "kp": dynamics.kp * per_amp,
        "kd": dynamics.kd * per_amp,
        "torque_limit": per_amp,
        "coulomb": twin_motor.COULOMB * dynamics.coulomb + dynamics.joint_friction,
        "rotor_inertia": twin_model.ROTOR_INERTIA * dynamics.rotor_inertia,
    }


def found_motors(calibration: Calibration) -> dict[str, float]:
    """The same by a calibration."""
    value = {name: estimate.value for name, estimate in calibration.motors.items()}
    per_amp = TORQUE_PER_AMP * value["motor_strength"]
    return {
        "kp": value["kp"] * per_amp,
        "kd": value["kd"] * per_amp,
        "torque_limit": per_amp,
        "coulomb": COULOMB + value["joint_friction"],
        "rotor_inertia": INERTIA * value["rotor_inertia"],
    }


def errors(calibration: Calibration, dynamics: Dynamics) -> Mapping[str, list[float]]:
    """What is left of every error, by figure; several numbers where a figure is about several things."""
    zeros = np.degrees(calibration.joint_offset) + np.array(dynamics.joint_zero_deg)
    mount = rotation_vector(np.array(calibration.imu_mount).T @ true_mount(dynamics))
    truth, found = true_motors(dynamics), found_motors(calibration)
    trip = dynamics.action_latency_ms + dynamics.telemetry_latency_ms
    return {
        "joint_zero_deg": np.abs(zeros).tolist(),
        "imu_mount_deg": [float(np.degrees(np.linalg.norm(mount)))],
        "gyro_bias": np.abs(np.array(calibration.gyro_bias) - dynamics.imu.gyro_bias).tolist(),
        "delay_ms": [abs(calibration.latency["round_trip_ms"].value - trip)],
        **{f"motor_{name}_percent": [100 * abs(found[name] / truth[name] - 1)] for name in truth},
    }
