"""Demonstrations in the learner's own world: an expert policy, disturbed, with rewards.

A robot cannot measure its own velocity, so recordings have no reward; what a demonstrator does here has one.
"""

from typing import Protocol

import numpy as np

from leash_robot.robot.encoding.feature_encoding import Float32
from leash_robot.robot.types import Array, Policy
from leash_robot.sim.envs.walk import PupperEnv

SIGMA = 0.08
"""Standard deviation of the noise on what is done, as a share of the action scale (DART, Laskey et al. 2017). It is
white: noise that can be predicted from the last action would be imitated."""


class DeterministicActor(Protocol):
    """Acts without exploration."""

    def best(self, obs: Float32) -> Float32:
        """The action (n,) in [-1, 1] for these features (d,)."""
        ...


class WalkDemonstrator:
    """Drives an environment with any policy: which action makes the filtered target what that policy wants."""

    def __init__(self, env: PupperEnv, policy: Policy) -> None:
        self.env, self._policy = env, policy
        self.learner: DeterministicActor | None = None
        """Drives instead; the expert then only labels (DAgger, Ross et al. 2011)."""
        self.reset()

    def reset(self) -> None:
        """A new episode."""
        self.wanted: Float32 = np.zeros(12, np.float32)
        """(12,) the action that the policy wanted at the last tick; outside [-1, 1] where the box cannot express it."""
        self._policy.reset()
        self._offset: Array = np.zeros(12)

    def sample(self, obs: Float32, rng: np.random.Generator) -> Float32:
        """The action (12,) in [-1, 1] now, disturbed; the policy looks at what the environment's robot saw.

        Where the learner drives, the policy only labels.
        """
        wanted = self._policy.act(self.env.seen).joint_pos - self.env.body.stand
        self.wanted = self.env.action_filter.action(wanted, self._offset)
        driven = self.wanted.clip(-1.0, 1.0) if self.learner is None else self.learner.best(obs)
        done = np.clip(driven + rng.normal(0, SIGMA, 12), -1.0, 1.0)
        self._offset = self.env.action_filter.offset(done, self._offset)
        return done.astype(np.float32)
