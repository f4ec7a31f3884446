"""A body velocity as a command: its type, and a policy that follows a constant one."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Annotated

import numpy as np
from msgspec import Meta

from leash_robot.robot.types import Action, Observation, Policy

Forward = Annotated[float, Meta(ge=-1.5, le=1.5)]
"""Forward [m/s]; a Pupper v2 has been seen to reach 0.8."""
Sideways = Annotated[float, Meta(ge=-0.8, le=0.8)]
"""To the left [m/s]; 0.4 has been seen."""
Turn = Annotated[float, Meta(ge=-5, le=5)]
"""Yaw rate [rad/s]; 2.5 has been seen."""
Command = tuple[Forward, Sideways, Turn]
"""A body velocity: forward m/s, left m/s, turn rad/s."""


class ConstantCommand:
    """Fits `Policy`: the wrapped policy with a command (k,) to follow, for legs vx, vy, yaw rate [m/s, m/s, rad/s]."""

    def __init__(self, policy: Policy, command: Sequence[float]) -> None:
        self._policy = policy
        self._command = np.array(command, dtype=np.float64)

    def reset(self) -> None:
        """Begin a new episode."""
        self._policy.reset()

    def act(self, obs: Observation) -> Action:
        """The wrapped policy's action for this command."""
        action = self._policy.act(replace(obs, command=self._command))
        return replace(action, command=self._command)
