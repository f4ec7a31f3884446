"""Carries out a command of the arm: the base turns at one speed, shoulder and elbow lift at the other."""

import numpy as np

from leash_robot.robot.spec import Spec
from leash_robot.robot.types import Action, Array, Observation

LIFT = np.array([[1.0, 0.0], [0.0, -1.0], [0.0, 1.0]])
"""Joint speeds for a command."""


class Jog:
    """Fits `Policy`."""

    def __init__(self, spec: Spec) -> None:
        self._spec = spec
        self.reset()

    def reset(self) -> None:
        """Begin from the stand pose."""
        self._target: Array = self._spec.stand.copy()

    def act(self, obs: Observation) -> Action:
        """The next target at the observed command."""
        speeds = LIFT @ np.nan_to_num(obs.command)
        self._target = np.clip(self._target + speeds * self._spec.period, self._spec.lower, self._spec.upper)
        return Action(self._target.copy(), np.nan_to_num(obs.command))
