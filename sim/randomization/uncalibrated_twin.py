"""Twins with known errors, drawn at random: what a calibration has to find."""

import numpy as np
from msgspec.structs import replace

from leash_robot.robot.types import Array
from leash_robot.sim.twin.dynamics import Imu, TwinDynamics
from leash_robot.sim.twin.model import ROTOR_INERTIA
from leash_robot.sim.twin.motor import COULOMB, TORQUE_PER_AMP

ZERO_DEG, MOUNT_DEG, BIAS, DELAY_MS, SHARE = 8.0, 5.0, 0.05, 60.0, 0.3
"""Largest error of a joint's zero, of the IMU's mounting about each axis, of the gyro [rad/s], delays of both ways, and
of every motor parameter as a share of it."""
SCALES = ("kp", "kd", "coulomb", "rotor_inertia", "motor_strength")


def draw_machine(seed: int) -> TwinDynamics:
    """A machine that has all errors at once; noise of the sensors is on."""
    rng = np.random.default_rng(seed)

    def three(largest: float) -> tuple[float, float, float]:
        x, y, z = rng.uniform(-largest, largest, 3).tolist()
        return x, y, z

    scales = {name: float(rng.uniform(1 - SHARE, 1 + SHARE)) for name in SCALES}
    machine = TwinDynamics(
        joint_zero_deg=tuple(rng.uniform(-ZERO_DEG, ZERO_DEG, 12).tolist()),
        imu=Imu(mount_deg=three(MOUNT_DEG), gyro_bias=three(BIAS)),
        action_latency_ms=float(rng.uniform(0, DELAY_MS)),
        telemetry_latency_ms=float(rng.uniform(0, DELAY_MS)),
    )
    return replace(machine, **scales)


def true_mount(dynamics: TwinDynamics) -> Array:
    """(3, 3) from the IMU's axes to the body's: about x, then the new y, then the new z."""
    turn = np.eye(3)
    for axis, angle in enumerate(np.radians(dynamics.imu.mount_deg)):
        sine, cosine = np.sin(angle), np.cos(angle)
        a, b = (axis + 1) % 3, (axis + 2) % 3
        about = np.eye(3)
        about[a, a], about[a, b], about[b, a], about[b, b] = cosine, -sine, sine, cosine
        turn = turn @ about
    return turn


def true_motors(dynamics: TwinDynamics) -> dict[str, float]:
    """Spring and damping constant of a joint for the firmware's gain of 1, and the other motor parameters, in SI."""
    per_amp = TORQUE_PER_AMP * dynamics.motor_strength
    return {
        "kp": dynamics.kp * per_amp,
        "kd": dynamics.kd * per_amp,
        "torque_limit": per_amp,
        "coulomb": COULOMB * dynamics.coulomb + dynamics.joint_friction,
        "rotor_inertia": ROTOR_INERTIA * dynamics.rotor_inertia,
    }
