"""What is particular about one machine: joints, IMU, cameras, delays, motors; when it was found and how well.

Written by `calibration/`, read here; the drivers apply the joints and the IMU in both directions.
"""

import hashlib
from datetime import date as Date
from pathlib import Path
from typing import Annotated, Literal, Self

import msgspec
import numpy as np
from msgspec import Meta

from leash_robot.robot.config.settings import read_yaml
from leash_robot.robot.config.yaml_text import dump_yaml
from leash_robot.robot.errors import CalibrationError, SpecError
from leash_robot.robot.spec import Spec
from leash_robot.robot.types import Array

Angle = Annotated[float, Meta(ge=-7.0, le=7.0)]
Rate = Annotated[float, Meta(ge=-10.0, le=10.0)]
Cosine = Annotated[float, Meta(ge=-1.001, le=1.001)]
Row = tuple[Cosine, Cosine, Cosine]
Rotation = tuple[Row, Row, Row]
UPRIGHT: Rotation = ((1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0))
Length = Annotated[float, Meta(ge=-10.0, le=10.0)]
Pixels = Annotated[float, Meta(gt=0, le=1e5)]
Centre = Annotated[float, Meta(ge=-1e4, le=1e5)]
Milliseconds = Annotated[float, Meta(ge=-1e3, le=1e4)]
Coefficient = Annotated[float, Meta(ge=-1e3, le=1e3)]


class CameraCalibration(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """One camera: how it projects, and where it sits."""

    width: Annotated[int, Meta(ge=16, le=8192)]
    """Of the pictures that the rest is about [px]."""
    height: Annotated[int, Meta(ge=16, le=8192)]
    fx: Pixels
    """Focal lengths [px]."""
    fy: Pixels
    cx: Centre
    """Principal point [px]."""
    cy: Centre
    distortion: Annotated[tuple[Coefficient, ...], Meta(max_length=14)] = ()
    """k1, k2, p1, p2, k3, ... in the order of OpenCV."""
    position: tuple[Length, Length, Length] = (0.0, 0.0, 0.0)
    """(3,) of the optical centre in the body frame [m]."""
    rotation: Rotation | None = None
    """From camera axes (x right, y down, z ahead) to the body's; None where only the lens is known."""
    latency_ms: Milliseconds | None = None
    """From the light to the frame's capture time [ms]."""
    rolling_ms: Milliseconds | None = None
    """From the first row's exposure to the last row's [ms]."""


class CalibrationEstimate(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A number that was found, and how sure it is."""

    value: Annotated[float, Meta(ge=-1e6, le=1e6)]
    sigma: Annotated[float, Meta(ge=0, le=1e6)]
    """One standard deviation."""


class Calibration(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """joint = sign * raw + offset, for positions; body = mount @ (raw - bias), for the gyro.

    Note: what has its default has no part in the hash, so that a field added here leaves older files' hashes alone.
    """

    machine: str
    """Which machine this was measured on."""
    date: Date
    """When."""
    joint_offset: tuple[Angle, ...]
    """(n,) angle of each joint where the machine says zero [rad]."""
    joint_sign: tuple[Literal[-1, 1], ...]
    """(n,)"""
    imu_mount: Rotation = UPRIGHT
    """(3, 3) rotation from the IMU's axes to the body's."""
    gyro_bias: tuple[Rate, Rate, Rate] = (0.0, 0.0, 0.0)
    """(3,) what the gyro says at rest, in the IMU's axes [rad/s]."""
    imu_lean: tuple[Angle, Angle, Angle] = (0.0, 0.0, 0.0)
    """(3,) rotation, in the IMU's axes, that takes true gravity to what the attitude filter says at rest [rad]."""
    version: Annotated[int, Meta(ge=1, le=1_000_000)] = 1
    """Counts a machine's calibrations."""
    parent: Annotated[str, Meta(max_length=64)] = ""
    """Hash of the one before, or empty."""
    serial: Annotated[str, Meta(max_length=64)] = ""
    """Serial number of the machine's USB port, or empty where it has none."""
    latency: dict[str, CalibrationEstimate] = {}
    """Delays by name [ms]."""
    motors: dict[str, CalibrationEstimate] = {}
    """Motor parameters by their name in the simulator's dynamics file."""
    cameras: dict[str, CameraCalibration] = {}
    """By the camera's name in the spec."""
    residuals: dict[str, float] = {}
    """How well each procedure's model fitted what it saw; names carry the unit."""

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

    def upright(self, down: Array) -> Array:
        """Gravity (3,) in IMU axes without the attitude filter's lean, from what the filter says."""
        angle = float(np.linalg.norm(self.imu_lean))
        if angle == 0.0:
            return down
        axis = -np.array(self.imu_lean) / angle
        across: Array = np.cross(axis, down)
        turned: Array = down * np.cos(angle) + across * np.sin(angle) + axis * (axis @ down) * (1 - np.cos(angle))
        return turned

    @property
    def _sign(self) -> Array:
        return np.array(self.joint_sign, dtype=np.float64)


def load_calibration(path: Path, spec: Spec) -> Calibration:
    """Read a calibration of a machine of this kind. Raises CalibrationError naming the file and the field at fault."""
    try:
        calibration = read_yaml(path, Calibration, nan_in=("residuals",))
    except SpecError as error:
        raise CalibrationError(str(error)) from None
    for name in ("joint_offset", "joint_sign"):
        if (size := len(getattr(calibration, name))) != len(spec.joints):
            raise CalibrationError(f"{path}: {name} has {size} numbers but {spec.name} has {len(spec.joints)} joints")
    rotations = {"imu_mount": calibration.imu_mount}
    rotations |= {f"cameras.{name}.rotation": eye.rotation or UPRIGHT for name, eye in calibration.cameras.items()}
    for name, rows in rotations.items():
        turn = np.array(rows)
        if not np.allclose(turn @ turn.T, np.eye(3), atol=1e-3) or np.linalg.det(turn) < 0:
            raise CalibrationError(f"{path}: {name} is no rotation; its rows must be orthogonal unit vectors")
    return calibration


def dump_calibration(calibration: Calibration) -> str:
    """The calibration as YAML that `load_calibration` reads back to the same hash."""
    return dump_yaml(msgspec.to_builtins(calibration), width=110, flow=None)
