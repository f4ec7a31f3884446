"""What the Teensy's attitude filter says, as gravity and angular velocity in the body frame."""

import math

import numpy as np

from leash_robot.robot.calibration import Calibration
from leash_robot.robot.safety.messages import Telemetry
from leash_robot.robot.types import Array, unknown


def gravity_and_gyro(frame: Telemetry, calibration: Calibration) -> tuple[Array, Array]:
    """Gravity (3,), a unit vector, and angular velocity (3,) [rad/s] in the body frame; NaN without an IMU.

    The firmware's angles are taken as roll about x, then pitch about y, then yaw about z (R = Rz Ry Rx), so that
    gravity in the body frame, R^T (0, 0, -1), is (sin p, -sin r cos p, -cos r cos p).
    """
    if frame.imu is None:
        return unknown(3), unknown(3)
    roll, pitch = frame.imu[:2]
    down = (math.sin(pitch), -math.sin(roll) * math.cos(pitch), -math.cos(roll) * math.cos(pitch))
    rates = np.array(frame.imu[3:]) - np.array(calibration.gyro_bias)
    return calibration.to_body(calibration.upright(np.array(down))), calibration.to_body(rates)
