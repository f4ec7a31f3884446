"""What only a simulator's critic may see: the true motion and the drawn dynamics, as one vector."""

import numpy as np

from leash_robot.robot.encoding.feature_encoding import Float32
from leash_robot.robot.types import Array
from leash_robot.sim.ground_truth import GroundTruth
from leash_robot.sim.randomization.dynamics import Dynamics

DYNAMICS = 29
SIZE = 14 + DYNAMICS
"""Length of the vector."""


def motion(truth: GroundTruth, pace: Array) -> Float32:
    """(14,) `pace` (3,) as the reward means it, velocity, angular velocity, height around standing, foot contacts.

    Each about one.
    """
    height = np.array([10.0 * (truth.height - 0.16)])
    parts = (pace * [2.0, 2.0, 1.0], truth.velocity * 2.0, truth.angular_velocity * 0.25, height, truth.contacts)
    return np.concatenate(parts).astype(np.float32)


def machine(dynamics: Dynamics, push: float = 0.0) -> Float32:
    """(29,) what was drawn, around the nominal machine and floor, and the speed of pushes [m/s]; each about one."""
    values: Array = np.array(
        [
            dynamics.mass - 1.0,
            dynamics.inertia - 1.0,
            dynamics.payload * 5.0,
            *(50.0 * shift for shift in dynamics.com_shift),
            dynamics.friction - 0.8,
            dynamics.motor_strength - 1.0,
            dynamics.kp - 1.0,
            dynamics.kd - 1.0,
            dynamics.joint_friction * 20.0,
            dynamics.rotor_inertia - 1.0,
            (dynamics.action_latency_ms + dynamics.telemetry_latency_ms) / 20.0 - 0.5,
            dynamics.slope_deg / 5.0,
            100.0 * dynamics.bumps,
            2.0 * push,
            5.0 * dynamics.torque_noise,
            *(5.0 * torque for torque in dynamics.torque_offset),
        ]
    )
    return values.astype(np.float32)


JOINTS = SIZE - 12
"""Where the joints' entries begin: front right, front left, back right, back left."""
MIRROR = (
    *range(10),
    11,
    10,
    13,
    12,
    *range(14, JOINTS),
    *(JOINTS + n for n in (3, 4, 5, 0, 1, 2, 9, 10, 11, 6, 7, 8)),
)
"""Where the entries of a robot seen in a mirror, left and right exchanged, come from."""
MIRROR_SIGNS = (1, -1, -1, 1, -1, 1, -1, 1, -1, *(1,) * 9, -1, *(1,) * (JOINTS - 19), *(-1, 1, 1) * 4)
"""What they are multiplied with; an abduction turns the other way."""
