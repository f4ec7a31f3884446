"""The firmware's attitude filter: Mahony's complementary filter without integral term, at 200 Hz.

Mahony, Hamel, Pflimlin, "Nonlinear complementary filters on the special orthogonal group", 2008: the rate is corrected
along the cross product of measured and estimated "up".
"""

import math

from leash_robot.robot.types import Array

PERIOD_MS = 5
GAIN = 0.5
"""Of the correction by the accelerometer [1/s]."""
YAW_OFFSET = math.pi
"""Note: the library reports headings from 0 to 360 degrees, half a turn ahead of its own estimate."""


class Attitude:
    """Orientation from rates and accelerations in the body frame (x forward, y left, z up)."""

    def __init__(self) -> None:
        self._q = (1.0, 0.0, 0.0, 0.0)
        self.rates = (0.0, 0.0, 0.0)
        """Roll, pitch and yaw rate of the last sample [rad/s]."""

    def settle(self, accel: Array) -> None:
        """Adopt the attitude that this specific force (3,) implies, as after holding still for long."""
        x, y, z = accel.tolist()
        roll, pitch = math.atan2(y, z), math.atan2(-x, math.hypot(y, z))
        cr, sr, cp, sp = math.cos(roll / 2), math.sin(roll / 2), math.cos(pitch / 2), math.sin(pitch / 2)
        self._q = (cr * cp, sr * cp, cr * sp, -sr * sp)

    def update(self, gyro: Array, accel: Array) -> None:
        """One sample of rates (3,) [rad/s] and specific force (3,), in any unit."""
        gx, gy, gz = gyro.tolist()
        ax, ay, az = accel.tolist()
        self.rates = (gx, gy, gz)
        norm = math.sqrt(ax * ax + ay * ay + az * az)
        w, x, y, z = self._q
        if norm > 0.0:
            ux, uy, uz = 2 * (x * z - w * y), 2 * (w * x + y * z), 2 * (w * w + z * z) - 1
            gx += GAIN * (ay * uz - az * uy) / norm
            gy += GAIN * (az * ux - ax * uz) / norm
            gz += GAIN * (ax * uy - ay * ux) / norm
        half = 0.5e-3 * PERIOD_MS
        gx, gy, gz = gx * half, gy * half, gz * half
        turned = (
            w - x * gx - y * gy - z * gz,
            x + w * gx + y * gz - z * gy,
            y + w * gy - x * gz + z * gx,
            z + w * gz + x * gy - y * gx,
        )
        scale = 1.0 / math.sqrt(sum(part * part for part in turned))
        self._q = (turned[0] * scale, turned[1] * scale, turned[2] * scale, turned[3] * scale)

    @property
    def roll_pitch_yaw(self) -> tuple[float, float, float]:
        """About x, y and z [rad]; the heading from 0 to 2 pi."""
        w, x, y, z = self._q
        roll = math.atan2(2 * (w * x + y * z), 1 - 2 * (x * x + y * y))
        pitch = math.asin(max(-1.0, min(1.0, 2 * (w * y - x * z))))
        yaw = math.atan2(2 * (w * z + x * y), 1 - 2 * (y * y + z * z))
        return roll, pitch, yaw + YAW_OFFSET
