"""What a body measures beside its joints, as its driver reports it."""

from dataclasses import dataclass

from leash_robot.robot.types import Array


@dataclass(frozen=True)
class Senses:
    """What a robot measures beside joint positions and speeds, in the spec's conventions; NaN where it does not."""

    gravity: Array
    """(3,) unit vector in the body frame."""
    gyro: Array
    """(3,) [rad/s]"""
    effort: Array
    """(n,) [N m]"""
