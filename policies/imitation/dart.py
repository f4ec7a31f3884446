"""Noise on what is done, not on what is learned (DART, Laskey et al. 2017): demonstrations of how to recover."""

from dataclasses import replace

import numpy as np

from leash_robot.robot.types import Action, Observation, Policy


class DisturbedPolicy:
    """Fits `Policy`: the wrapped policy's targets go out disturbed, its own intention is kept as the proposal.

    The disturbance is first-order noise of deviation `sigma` [rad] that remembers itself for `memory` ticks, so that
    the body is really moved and not just shaken. Training learns `Tick.human` or `Tick.policy`, which stay clean.
    """

    def __init__(self, policy: Policy, sigma: float, *, memory: float = 2.0, seed: int = 0) -> None:
        self._policy = policy
        self._sigma = sigma
        self._keep = float(np.exp(-1 / memory)) if memory > 0 else 0.0
        self._rng = np.random.default_rng(seed)
        self._push = np.zeros(0)

    def reset(self) -> None:
        """Begin a new episode."""
        self._policy.reset()
        self._push = np.zeros(0)

    def act(self, obs: Observation) -> Action:
        """The wrapped policy's action, disturbed unless it holds or stops."""
        clean = self._policy.act(obs)
        if clean.source not in {"policy", "human"}:
            return clean
        fresh = self._rng.normal(0, self._sigma, clean.joint_pos.shape)
        before = self._push if self._push.shape == fresh.shape else fresh
        self._push = self._keep * before + np.sqrt(1 - self._keep**2) * fresh
        human = clean if clean.source == "human" else clean.human
        policy = clean if clean.source == "policy" else clean.policy
        return replace(clean, joint_pos=clean.joint_pos + self._push, human=human, policy=policy)
