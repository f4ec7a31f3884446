"""Every constant of the simulated robot, typed and readable from YAML, so that each can be identified or randomized."""

from pathlib import Path

import msgspec

from robot.spec import read_yaml

Vector = tuple[float, float, float]


class Motor(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """DJI M2006 P36 gearmotor and C610 controller, seen at the joint.

    Fit of the Stanford Pupper paper: torque = constant * current - friction, where friction grows with the torque in
    the gearbox, so that a motor holding back gives 0.317 N m/A and one that drives 0.179.
    """

    torque_per_amp: float = 0.2484
    """Before friction [N m/A]."""
    load_friction: float = 0.069
    """Friction that the gearbox adds per ampere [N m/A]."""
    coulomb: float = 0.021
    """[N m]"""
    viscous: float = 0.0045
    """[N m s/rad]"""
    no_load_speed: float = 52.4
    """500 rpm at 24 V [rad/s]."""
    amps_per_speed: float = 0.64
    """How much current each rad/s below the no-load speed allows: rated point 43.6 rad/s at 1 N m [A s/rad]."""
    velocity_filter: float = 0.002
    """Time constant of the controller's velocity estimate [s]; fits the robot's sine sweeps, 10 ms does not."""
    reflected_inertia: float = 0.0028
    """Of the rotor, seen through the gear [kg m2]."""


class Noise(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Standard deviations of white measurement noise, from the robot's logs."""

    joint_pos: float = 0.0005
    """[rad]"""
    joint_vel: float = 0.05
    """[rad/s]"""
    gravity: float = 0.002
    """[1]"""
    gyro: float = 0.05
    """[rad/s]"""


class Dynamics(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One robot on one floor. The defaults are the best nominal values; scales multiply them."""

    motor: Motor = Motor()
    noise: Noise = Noise()
    mass: float = 1.0
    """Scale of every mass; inertia follows."""
    inertia: float = 1.0
    """Scale of every inertia, on top of the mass."""
    body_com: Vector = (0.0, 0.0, 0.0)
    """Shift of the body's centre of mass [m]."""
    payload: float = 0.0
    """Mass on the back [kg]."""
    kp: float = 1.0
    """Scale."""
    kd: float = 1.0
    """Scale."""
    strength: float = 1.0
    """Scale of the torque a current gives."""
    joint_offset: tuple[float, ...] = ()
    """(12,) error of each joint's zero: measured minus true [rad]; empty is none."""
    command_latency: float = 0.004
    """From `send` to the motors [s]."""
    telemetry_age: float = 0.006
    """How old the state is that `observe` returns [s]; shorter than a tick."""
    gravity_bias: Vector = (0.0, 0.0, 0.0)
    """Error of the measured gravity direction [1]."""
    gyro_bias: Vector = (0.0, 0.0, 0.0)
    """[rad/s]"""
    friction: float = 0.9
    """Coefficient between the feet and the floor."""
    restitution: float = 0.0
    slope: tuple[float, float] = (0.0, 0.0)
    """Floor pitched up ahead and rolled up on the left [rad]."""


def load_dynamics(path: Path) -> Dynamics:
    """Read a YAML file; what it does not name keeps its default. Raises SpecError."""
    return read_yaml(path, Dynamics)
