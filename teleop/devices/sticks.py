"""From the deflection of a stick to a body velocity."""

from dataclasses import dataclass

import numpy as np

from leash_robot.robot.errors import OperatorError
from leash_robot.robot.types import Array


@dataclass(frozen=True)
class Speeds:
    """Body velocity at full deflection."""

    forward: float = 0.25
    """[m/s]"""
    side: float = 0.08
    """[m/s]"""
    turn: float = 0.6
    """[rad/s]"""

    def velocity(self, forward: float, left: float, turn: float) -> Array:
        """(3,) body velocity for deflections, clipped to -1..1: forward, to the left, counter-clockwise."""
        deflection = np.clip([forward, left, turn], -1.0, 1.0)
        velocity: Array = deflection * [self.forward, self.side, self.turn]
        return velocity


@dataclass(frozen=True)
class Feel:
    """How a stick answers."""

    deadzone: float = 0.12
    """Deflection that still counts as centred."""
    expo: float = 0.4
    """0 is linear; towards 1 the middle becomes finer."""

    def __post_init__(self) -> None:
        if not (0 <= self.deadzone < 1 and 0 <= self.expo <= 1):
            raise OperatorError(f"deadzone {self.deadzone} must lie in [0, 1) and expo {self.expo} in [0, 1]")

    def shaped(self, deflection: float) -> float:
        """The answer to a deflection in -1..1: zero in the dead zone, continuous, odd, monotonic, 1 at 1."""
        beyond = max(0.0, min(abs(deflection), 1.0) - self.deadzone) / (1 - self.deadzone)
        answer = (1 - self.expo) * beyond + self.expo * beyond**3
        return answer if deflection >= 0 else -answer
