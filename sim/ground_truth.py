"""What a simulator knows and a robot cannot measure. For judging and privileged critics; never shown to policies."""

import math
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from leash_robot.robot.locomotion.odometry import FALLEN_HEIGHT, FALLEN_TILT
from leash_robot.robot.types import Array


@dataclass(frozen=True, slots=True, eq=False)
class GroundTruth:
    """The true state of a body at one instant. The body frame's origin is the centre of the hip-pitch axes."""

    time: float
    """Simulated time since the last reset [s]."""
    position: Array
    """(3,) world position of the body frame [m]; z is measured from the ground's reference plane."""
    velocity: Array
    """(3,) linear velocity of the body frame's origin, in the body frame [m/s]."""
    angular_velocity: Array
    """(3,) in the body frame [rad/s]."""
    gravity: Array
    """(3,) unit vector of gravity in the body frame; (0, 0, -1) when upright."""
    contacts: Array
    """(4,) 1 where a foot touches the ground, else 0; legs front right, front left, back right, back left."""

    @property
    def height(self) -> float:
        """Height of the body frame's origin [m]."""
        return float(self.position[2])

    @property
    def tilt(self) -> float:
        """Angle between the body's up and the world's [rad]."""
        return math.acos(min(1.0, max(-1.0, -float(self.gravity[2]))))

    @property
    def fallen(self) -> bool:
        """Whether the body tilts more than 45 degrees or is below half its standing height."""
        return self.tilt > FALLEN_TILT or self.height < FALLEN_HEIGHT


@runtime_checkable
class SimulatorHandle(Protocol):
    """Ground truth and a person's hands; only simulated robots have one."""

    def truth(self) -> GroundTruth:
        """What really happens now."""
        ...

    def place(self) -> None:
        """Put the robot upright on the floor, at rest."""
        ...
