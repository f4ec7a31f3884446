"""What is particular about one machine: joint offsets and signs, how its IMU is mounted, what its gyro says at rest.

Written by `calibration/`, read here, applied by the drivers in both directions.
"""

import hashlib
from datetime import date as Date
from pathlib import Path
from typing import Annotated, Literal, Self

import msgspec
import numpy as np
from msgspec import Meta

from robot.errors import CalibrationError, SpecError
from robot.spec import Spec, read_yaml
from robot.types import Array

Angle = Annotated[float, Meta(ge=-7.0, le=7.0)]
Rate = Annotated[float, Meta(ge=-10.0, le=10.0)]
Cosine = Annotated[float, Meta(ge=-1.001, le=1.001)]
Row = tuple[Cosine, Cosine, Cosine]


class Calibration(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """joint = sign * raw + offset, for positions; body = mount @ (raw - bias), for the gyro."""

    machine: str
    """Which machine this was measured on."""
    date: Date
    """When."""
    joint_offset: tuple[Angle, ...]
    """(n,) angle of each joint where the machine says zero [rad]."""
    joint_sign: tuple[Literal[-1, 1], ...]
    """(n,)"""
    imu_mount: tuple[Row, Row, Row] = ((1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0))
    """(3, 3) rotation from the IMU's axes to the body's."""
    gyro_bias: tuple[Rate, Rate, Rate] = (0.0, 0.0, 0.0)
    """(3,) what the gyro says at rest, in the IMU's axes [rad/s]."""

    @classmethod
    def identity(cls, spec: Spec) -> Self:
        """The calibration of a machine that needs none."""
        signs: tuple[Literal[-1, 1], ...] = tuple(1 for _ in spec.joints)
        return cls(f"{spec.name}, uncalibrated", Date(1970, 1, 1), (0.0,) * len(signs), signs)

    @property
    def hash(self) -> str:
        """Sixteen hex digits that change whenever anything here does."""
        return hashlib.sha256(msgspec.json.encode(self, order="deterministic")).hexdigest()[:16]

    def to_joints(self, raw: Array) -> Array:
        """Joint angles (n,) from the machine's own [rad]."""
        joints: Array = self._sign * raw + np.array(self.joint_offset)
        return joints

    def to_raw(self, joints: Array) -> Array:
        """The machine's own angles (n,) from joint angles [rad]."""
        raw: Array = self._sign * (joints - np.array(self.joint_offset))
        return raw

    def turned(self, raw: Array) -> Array:
        """Joint speeds or torques (n,) from the machine's own: only the sign applies."""
        turned: Array = self._sign * raw
        return turned

    def to_body(self, direction: Array) -> Array:
        """A vector (3,) in body axes from one in IMU axes."""
        body: Array = np.array(self.imu_mount) @ direction
        return body

    @property
    def _sign(self) -> Array:
        return np.array(self.joint_sign, dtype=np.float64)


def load_calibration(path: Path, spec: Spec) -> Calibration:
    """Read a calibration of a machine of this kind. Raises CalibrationError naming the file and the field at fault."""
    try:
        calibration = read_yaml(path, Calibration)
    except SpecError as error:
        raise CalibrationError(str(error)) from None
    for name in ("joint_offset", "joint_sign"):
        if (size := len(getattr(calibration, name))) != len(spec.joints):
            raise CalibrationError(f"{path}: {name} has {size} numbers but {spec.name} has {len(spec.joints)} joints")
    mount = np.array(calibration.imu_mount)
    if not np.allclose(mount @ mount.T, np.eye(3), atol=1e-3) or np.linalg.det(mount) < 0:
        raise CalibrationError(f"{path}: imu_mount is no rotation; its rows must be orthogonal unit vectors")
    return calibration
