"""Every constant of the simulated robot, typed and readable from YAML, so that each can be identified or randomized.

What the twin's dynamics file also knows has the same name and unit here, so that one grid describes draws for both.
"""

from pathlib import Path
from typing import Annotated

import msgspec
from msgspec import Meta

from leash_robot.robot.config.settings import read_yaml

Scale = Annotated[float, Meta(ge=0.01, le=10)]
Amount = Annotated[float, Meta(ge=0, le=10)]
Signed = Annotated[float, Meta(ge=-10, le=10)]
Length = Annotated[float, Meta(ge=-0.5, le=0.5)]
Degrees = Annotated[float, Meta(ge=-180, le=180)]
Delay = Annotated[float, Meta(ge=0, le=500)]


class Motor(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """DJI M2006 P36 gearmotor and C610 controller, seen at the joint.

    Fit of the Stanford Pupper paper: torque = constant * current - friction, where friction grows with the torque in
    the gearbox, so that a motor holding back gives 0.317 N m/A and one that drives 0.179.
    """

    torque_per_amp: Amount = 0.2484
    """Before friction [N m/A]."""
    load_friction: Amount = 0.069
    """Friction that the gearbox adds per ampere [N m/A]."""
    coulomb: Amount = 0.021
    """[N m]"""
    viscous: Amount = 0.0045
    """[N m s/rad]"""
    no_load_speed: Annotated[float, Meta(gt=0)] = 52.4
    """500 rpm at 24 V [rad/s]."""
    amps_per_speed: Scale = 0.64
    """How much current each rad/s below the no-load speed allows: rated point 43.6 rad/s at 1 N m [A s/rad]."""
    velocity_filter: Annotated[float, Meta(ge=0, le=0.1)] = 0.002
    """Time constant of the controller's velocity estimate [s]; fits the robot's sine sweeps, 10 ms does not."""
    reflected_inertia: Annotated[float, Meta(gt=0, le=0.1)] = 0.0028
    """Of the rotor, seen through the gear [kg m2]."""


class SensorNoise(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Standard deviations of white measurement noise, from the robot's logs."""

    joint_pos: Amount = 0.0005
    """[rad]"""
    joint_vel: Amount = 0.05
    """[rad/s]"""
    gravity: Amount = 0.002
    """[1]"""
    gyro: Amount = 0.05
    """[rad/s]"""


class Dynamics(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One robot on one floor. The defaults are the nominal machine; scales multiply it."""

    motor: Motor = Motor()
    noise: SensorNoise = SensorNoise()
    mass: Scale = 1.0
    """Scales every mass and inertia."""
    inertia: Scale = 1.0
    """Scales every link's inertia on top of that."""
    com_shift: tuple[Length, Length, Length] = (0.0, 0.0, 0.0)
    """Moves the body's centre of mass [m]."""
    payload: Amount = 0.0
    """Extra mass on the back, 5 cm above the hip axes [kg]."""
    friction: Amount = 0.8
    """Coulomb coefficient between a foot and the floor."""
    motor_strength: Scale = 1.0
    """Scales the torque that a current makes."""
    kp: Scale = 1.0
    """Scales the firmware's effective position gain."""
    kd: Scale = 1.0
    """Scales the firmware's effective velocity gain."""
    joint_friction: Amount = 0.0
    """Coulomb friction of each joint on top of the motor's own [N m]."""
    joint_damping: Amount = 0.0
    """Viscous friction of each joint on top of the motor's own [N m s/rad]."""
    rotor_inertia: Scale = 1.0
    """Scales the reflected inertia of the rotors."""
    action_latency_ms: Delay = 4.0
    """From `send` until the motors follow [ms]."""
    telemetry_latency_ms: Delay = 6.0
    """Age of what `observe` returns [ms]; shorter than a tick."""
    joint_zero_deg: tuple[Degrees, ...] = (0.0,) * 12
    """By how much each joint's reported angle exceeds the true one [deg]."""
    gravity_bias: tuple[Signed, Signed, Signed] = (0.0, 0.0, 0.0)
    """Added to the measured direction of gravity [1]."""
    gyro_bias: tuple[Signed, Signed, Signed] = (0.0, 0.0, 0.0)
    """Added to the measured angular velocity [rad/s]."""
    slope_deg: Annotated[float, Meta(ge=-45, le=45)] = 0.0
    """Steepness of the floor, uphill along the world's +x [deg]."""
    bumps: Annotated[float, Meta(ge=0, le=0.1)] = 0.0
    """Height of the floor's bumps [m]; below half a millimetre the floor is flat."""
    torque_noise: Amount = 0.0
    """Largest torque on each joint from nowhere, either way, drawn anew at every physics step [N m]."""
    torque_offset: tuple[Signed, ...] = (0.0,) * 12
    """Constant torque on each joint from nowhere [N m]."""

    def __post_init__(self) -> None:
        for name in ("joint_zero_deg", "torque_offset"):
            if len(getattr(self, name)) != 12:
                raise ValueError(f"{name} has {len(getattr(self, name))} entries; Pupper has 12 joints")


NOMINAL = Dynamics()


def load_dynamics(path: Path | None) -> Dynamics:
    """Read a YAML file; what it does not name keeps its default, None is the nominal machine. Raises SpecError."""
    return NOMINAL if path is None else read_yaml(path, Dynamics)
