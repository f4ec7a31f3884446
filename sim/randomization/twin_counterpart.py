"""The twin's machine for a machine of PyBullet's, so that one draw can be walked on both engines."""

import math

from leash_robot.sim.randomization import dynamics
from leash_robot.sim.twin import dynamics as twin_dynamics

SHARED = tuple(
    name
    for name in twin_dynamics.TwinDynamics.__struct_fields__
    if name in dynamics.Dynamics.__struct_fields__ and name != "telemetry_latency_ms"
)
"""What both know under one name and in one unit."""


def counterpart(machine: dynamics.Dynamics) -> twin_dynamics.TwinDynamics:
    """The same machine and floor. What only the twin has (line noise, current loop) stays nominal.

    The twin's firmware reports every 10 ms by itself, as PyBullet's nominal age of telemetry already says; only what
    exceeds that is added. Biased gravity is an IMU that sits askew.
    """
    nominal = dynamics.NOMINAL
    late = machine.telemetry_latency_ms - nominal.telemetry_latency_ms
    noise = machine.noise.gyro / nominal.noise.gyro
    imu = twin_dynamics.Imu()
    return twin_dynamics.TwinDynamics(
        **{name: getattr(machine, name) for name in SHARED},
        telemetry_latency_ms=max(0.0, late),
        imu=twin_dynamics.Imu(
            mount_deg=(-math.degrees(machine.gravity_bias[1]), math.degrees(machine.gravity_bias[0]), 0.0),
            gyro_bias=machine.gyro_bias,
            gyro_noise=noise * imu.gyro_noise,
            accel_noise=noise * imu.accel_noise,
        ),
    )
