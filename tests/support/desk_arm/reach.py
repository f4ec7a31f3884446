"""Carries out a command of the arm: how far the base is turned, and how far shoulder and elbow are lifted."""

import numpy as np

from leash_robot.robot.spec import Spec
from leash_robot.robot.types import Action, Array, Observation

POSE = np.array([[1.0, 0.0], [0.0, -1.0], [0.0, 1.0]])
"""Joint angles beyond the stand pose for a command."""
SPEED = 1.5
"""How fast a target moves [rad/s]."""


class Reach:
    """Fits `Policy`."""

    def __init__(self, spec: Spec) -> None:
        self._spec = spec
        self.reset()

    def reset(self) -> None:
        """Begin from the stand pose."""
        self._target: Array = self._spec.stand.copy()

    def act(self, obs: Observation) -> Action:
        """The next target on the way to what is commanded."""
        aim = self._spec.stand + POSE @ np.nan_to_num(obs.command)
        most = SPEED * self._spec.period
        self._target = self._target + np.clip(aim - self._target, -most, most)
        return Action(self._target.copy(), np.nan_to_num(obs.command))
