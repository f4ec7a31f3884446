"""Draws of machines and floors: ranges in, `Dynamics` out."""

from typing import Annotated

import msgspec
import numpy as np
from msgspec import Meta

from sim.dynamics import Dynamics, Motor, Noise

Range = tuple[float, float]
Amount = Annotated[float, Meta(ge=0)]


class Ranges(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Uniform ranges (low, high) of what differs between machines; names and units as in `Dynamics`."""

    mass: Range = (0.8, 1.2)
    inertia: Range = (0.8, 1.2)
    payload: Range = (0.0, 0.15)
    com: Amount = 0.015
    """Largest shift of the body's centre of mass along each axis, either way [m]."""
    friction: Range = (0.4, 1.2)
    motor_strength: Range = (0.8, 1.2)
    kp: Range = (0.8, 1.2)
    kd: Range = (0.8, 1.2)
    joint_friction: Range = (0.0, 0.04)
    joint_damping: Range = (0.0, 0.01)
    rotor_inertia: Range = (0.7, 1.5)
    action_latency_ms: Range = (0.0, 30.0)
    telemetry_latency_ms: Range = (2.0, 15.0)
    joint_zero_deg: Amount = 3.0
    """Largest error of a joint's zero, either way [deg]."""
    gravity_bias: Amount = 0.03
    gyro_bias: Amount = 0.05
    slope_deg: Range = (0.0, 0.0)
    noise: Range = (0.5, 2.0)
    """Scales the nominal measurement noise."""


SCALARS = (
    "mass",
    "inertia",
    "payload",
    "friction",
    "motor_strength",
    "kp",
    "kd",
    "joint_friction",
    "joint_damping",
    "rotor_inertia",
    "action_latency_ms",
    "telemetry_latency_ms",
    "slope_deg",
)
"""Fields that are drawn as they stand."""


def draw(ranges: Ranges, rng: np.random.Generator) -> Dynamics:
    """Draw one machine on one floor."""
    values = {name: float(rng.uniform(*getattr(ranges, name))) for name in SCALARS}
    scale = float(rng.uniform(*ranges.noise))
    nominal = Noise()
    return Dynamics(
        motor=Motor(),
        noise=Noise(*(scale * getattr(nominal, name) for name in Noise.__struct_fields__)),
        com_shift=_vector(ranges.com, rng),
        joint_zero_deg=tuple(rng.uniform(-ranges.joint_zero_deg, ranges.joint_zero_deg, 12).tolist()),
        gravity_bias=_vector(ranges.gravity_bias, rng),
        gyro_bias=_vector(ranges.gyro_bias, rng),
        **values,
    )


def _vector(largest: float, rng: np.random.Generator) -> tuple[float, float, float]:
    x, y, z = rng.uniform(-largest, largest, 3).tolist()
    return x, y, z
