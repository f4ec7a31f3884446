"""Demonstrations in the learner's own world: a policy that walks already, disturbed, with rewards.

A robot cannot measure its own velocity, so recordings have no reward; what a demonstrator does here has one.
"""

import numpy as np

from robot.types import Array, Policy
from sim.env import PupperEnv, blend
from sim.frames import Float32

SIGMA, MEMORY = 0.08, 2.0
"""Deviation of the noise on what is done, as a share of the box, and for how many ticks it remembers itself (DART)."""


class Demonstrator:
    """Drives an environment with any policy: which action makes the filtered target what that policy wants."""

    def __init__(self, env: PupperEnv, policy: Policy) -> None:
        self.env, self._policy = env, policy
        self._box: Array = np.tile(env.config.box, 4)
        self._newest = blend(env.config.filter_hz, env.body.period)
        self.reset()

    def reset(self) -> None:
        """A new episode."""
        self._policy.reset()
        self._offset: Array = np.zeros(12)
        self._noise: Array = np.zeros(12)

    def sample(self, obs: Float32, rng: np.random.Generator) -> Float32:
        """The action (12,) in [-1, 1] now, disturbed; the policy looks at what the environment's robot saw."""
        wanted = self._policy.act(self.env.seen).joint_pos - self.env.body.stand
        action = (wanted - (1 - self._newest) * self._offset) / (self._newest * self._box)
        keep = float(np.exp(-1 / MEMORY))
        self._noise = keep * self._noise + np.sqrt(1 - keep**2) * rng.normal(0, SIGMA, 12)
        done = np.clip(action + self._noise, -1.0, 1.0)
        self._offset = self._offset + self._newest * (done * self._box - self._offset)
        return done.astype(np.float32)
