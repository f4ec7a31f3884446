"""A constant velocity command, where no person steers."""

from dataclasses import replace

import numpy as np

from leash_robot.launch.options.checked import Command
from leash_robot.robot.types import Action, Observation, Policy


class Steer:
    """Fits `Policy`: the wrapped policy with a body velocity (vx, vy, yaw rate) to follow [m/s, m/s, rad/s]."""

    def __init__(self, policy: Policy, command: Command) -> None:
        self._policy = policy
        self._command = np.array(command, dtype=np.float64)

    def reset(self) -> None:
        """Begin a new episode."""
        self._policy.reset()

    def act(self, obs: Observation) -> Action:
        """The wrapped policy's action for this command."""
        action = self._policy.act(replace(obs, command=self._command))
        return replace(action, command=self._command)
