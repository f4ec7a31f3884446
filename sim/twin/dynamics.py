"""What may differ from one Pupper to the next: the dynamics file of the twin, typed, with unknown keys refused."""

from pathlib import Path
from typing import Annotated

import msgspec
from msgspec import Meta

from leash_robot.robot.config.settings import read_yaml

Scale = Annotated[float, Meta(ge=0.01, le=10)]
Share = Annotated[float, Meta(ge=0, le=1)]
Length = Annotated[float, Meta(ge=-0.5, le=0.5)]
Degrees = Annotated[float, Meta(ge=-180, le=180)]
Small = Annotated[float, Meta(ge=-10, le=10)]
Amount = Annotated[float, Meta(ge=0, le=10)]
Delay = Annotated[float, Meta(ge=0, le=500)]


class Imu(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How the inertial sensor sits and errs."""

    mount_deg: tuple[Degrees, Degrees, Degrees] = (0.0, 0.0, 0.0)
    """Rotation of the sensor on the body about x, then y, then z [deg]."""
    gyro_bias: tuple[Small, Small, Small] = (0.0, 0.0, 0.0)
    """Added to every rate [rad/s]."""
    gyro_noise: Amount = 0.02
    """Standard deviation of one sample of a rate [rad/s]."""
    accel_noise: Amount = 0.1
    """Standard deviation of one sample of an acceleration [m/s2]."""


class SerialLineDynamics(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How the serial line damages what passes; both directions have their own figures."""

    bit_errors_to_robot: Share = 0.0
    """Probability that a bit on its way to the robot is flipped."""
    bit_errors_to_host: Share = 0.0
    """Probability that a bit on its way to the host is flipped."""
    drops_to_robot: Share = 0.0
    """Probability that a byte on its way to the robot is lost."""
    drops_to_host: Share = 0.0
    """Probability that a byte on its way to the host is lost."""


class TwinDynamics(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One machine on one floor; the defaults are the nominal Pupper v2."""

    mass: Scale = 1.0
    """Scales every mass and inertia."""
    inertia: Scale = 1.0
    """Scales every link's inertia on top of that."""
    payload: Amount = 0.0
    """Extra mass on the back, 5 cm above the hip axes [kg]."""
    com_shift: tuple[Length, Length, Length] = (0.0, 0.0, 0.0)
    """Moves the body's centre of mass [m]."""
    friction: Amount = 0.8
    """Coulomb coefficient between a foot and the floor."""
    motor_strength: Scale = 1.0
    """Scales the torque that a current makes, and with it the largest one."""
    kp: Scale = 1.0
    """Scales the firmware's effective position gain."""
    kd: Scale = 1.0
    """Scales the firmware's effective velocity gain."""
    coulomb: Scale = 1.0
    """Scales the motors' own constant dry friction; what grows with the current follows `motor_strength`."""
    joint_friction: Amount = 0.0
    """Coulomb friction of each joint on top of the motor's own [N m]."""
    joint_damping: Amount = 0.0
    """Viscous friction of each joint on top of the motor's own [N m s/rad]."""
    rotor_inertia: Scale = 1.0
    """Scales the reflected inertia of the rotors."""
    current_loop_ms: Delay = 2.0
    """Time constant of the motor controllers' current loop [ms]."""
    action_latency_ms: Delay = 0.0
    """How long bytes take to reach the firmware [ms]."""
    telemetry_latency_ms: Delay = 0.0
    """How long bytes take to reach the host [ms]."""
    joint_zero_deg: tuple[Degrees, ...] = (0.0,) * 12
    """By how much each joint's reported angle exceeds the true one [deg]."""
    slope_deg: Annotated[float, Meta(ge=-45, le=45)] = 0.0
    """Steepness of the floor, uphill along the world's +x [deg]."""
    bumps: Annotated[float, Meta(ge=0, le=0.1)] = 0.0
    """Height of the floor's bumps [m]."""
    torque_noise: Amount = 0.0
    """Largest torque on each joint from nowhere, either way, drawn anew every millisecond [N m]."""
    torque_offset: tuple[Small, ...] = (0.0,) * 12
    """Constant torque on each joint from nowhere [N m]."""
    imu: Imu = Imu()
    line: SerialLineDynamics = SerialLineDynamics()

    def __post_init__(self) -> None:
        for name in ("joint_zero_deg", "torque_offset"):
            if len(getattr(self, name)) != 12:
                raise ValueError(f"{name} has {len(getattr(self, name))} entries; Pupper has 12 joints")


def load_dynamics(path: Path | None) -> TwinDynamics:
    """Read a dynamics file; None is the nominal machine. Raises SpecError."""
    return TwinDynamics() if path is None else read_yaml(path, TwinDynamics)
