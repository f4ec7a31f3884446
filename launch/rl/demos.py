"""Demonstrations in the learner's own world: a policy that walks already, disturbed, with rewards.

A robot cannot measure its own velocity, so recordings have no reward; what a demonstrator does here has one.
"""

from collections.abc import Sequence

import numpy as np

from leash_robot.launch.commands.train.demos import OUTSIDE
from leash_robot.launch.rl.evaluator import Best
from leash_robot.policies.rl.replay_buffer import FINAL, Replay
from leash_robot.robot.action_filter import expressible
from leash_robot.robot.feature_encoding import Float32
from leash_robot.robot.types import Array, Policy
from leash_robot.sim.envs.walk import PupperEnv

SIGMA = 0.08
"""Deviation of the noise on what is done, as a share of the box (DART, Laskey et al. 2017). It has no memory: noise
that can be foretold from the last action would be imitated."""


class Demonstrator:
    """Drives an environment with any policy: which action makes the filtered target what that policy wants."""

    def __init__(self, env: PupperEnv, policy: Policy) -> None:
        self.env, self._policy = env, policy
        self.pupil: Best | None = None
        """Who drives instead."""
        self.reset()

    def reset(self) -> None:
        """A new episode."""
        self.wanted: Float32 = np.zeros(12, np.float32)
        """(12,) the action that the policy wanted at the last tick; outside [-1, 1] where the box cannot express it."""
        self._policy.reset()
        self._offset: Array = np.zeros(12)

    def sample(self, obs: Float32, rng: np.random.Generator) -> Float32:
        """The action (12,) in [-1, 1] now, disturbed; the policy looks at what the environment's robot saw.

        Where a pupil drives, the policy only says what it would do there (DAgger, Ross et al. 2011).
        """
        wanted = self._policy.act(self.env.seen).joint_pos - self.env.body.stand
        self.wanted = self.env.action_filter.action(wanted, self._offset)
        driven = self.wanted.clip(-1.0, 1.0) if self.pupil is None else self.pupil.best(obs)
        done = np.clip(driven + rng.normal(0, SIGMA, 12), -1.0, 1.0)
        self._offset = self.env.action_filter.offset(done, self._offset)
        return done.astype(np.float32)


def demonstrated(shown: Sequence[Replay]) -> dict[str, int]:
    """Steps that these replays of demonstrations hold, and how many of them are left out of the actor's losses: the
    action box cannot express what the demonstrator wanted there.
    """
    rows = [(replay.columns["wanted"], replay.columns["end"], replay.written) for replay in shown]
    inside = [expressible(wanted[:count][end[:count] != FINAL]) for wanted, end, count in rows]
    return {"demonstrated": sum(map(len, inside)), "left_out": sum(int((~each).sum()) for each in inside)}


def said(counts: dict[str, int]) -> str:
    """The same for people."""
    return f"{counts['left_out']} of {counts['demonstrated']} demonstrated steps are left out of imitation: {OUTSIDE}"
