"""Scores an actor on held-out machines and commands: does it stay up, does it go where it is told, how smoothly."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from leash_robot.launch.rl.env import open_env
from leash_robot.launch.rl.plan import SacPlan, judged
from leash_robot.policies.rl.sac.numpy_actor import Float32, NumpyActor
from leash_robot.robot.types import Array
from leash_robot.robot.velocity_reward import LEAST, LEVER, pursuit
from leash_robot.sim.envs.tracking import PLANAR, SETTLE, TURNING, Tracking, tracking
from leash_robot.sim.envs.walk import PupperEnv
from leash_robot.sim.evaluation.episode_scorer import BOX


@dataclass(frozen=True)
class Score:
    """One episode."""

    fell: bool
    error: Tracking
    """Of the velocity, as every evaluation means it."""
    action_rate: float
    """Mean change of the targets a tick, as a share of the usual box."""
    pursuit: float = math.nan
    """How much of the command there was, as the reward's `pursuit`: 1 is all of it, 0 is a robot that stands or fell;
    NaN where the command was to stand."""

    @property
    def success(self) -> bool:
        """Up and on course."""
        return not self.fell and self.error.good

    @property
    def merit(self) -> float:
        """What is maximized: successes, then small errors, then smoothness."""
        loose = min(2.0, self.error.planar / PLANAR) + min(2.0, self.error.turning / TURNING)
        return self.success + 0.5 * (not self.fell) - 0.2 * loose - 0.2 * min(3.0, self.action_rate / 0.12)


class Best(Protocol):
    """Acts without exploration; `NumpyActor` fits it."""

    def best(self, obs: Float32) -> Float32:
        """The action (n,) in [-1, 1] for these features (d,)."""
        ...


def attempt(plan: SacPlan, actor: NumpyActor, seeds: Sequence[int], seconds: float) -> tuple[Score, ...]:
    """One episode for each seed, which draws machine, floor and command; without exploration."""
    env = open_env(plan, judged(plan, seconds))
    scores = tuple(episode(env, actor, seed) for seed in seeds)
    env.close()
    return scores


def episode(env: PupperEnv, actor: Best, seed: int) -> Score:
    """One episode from the stand pose."""
    obs, info = env.reset(seed=seed)
    command = info["command"]
    velocity, sent, over, fell = [], [], False, False
    while not over:
        obs, _, fell, late, _ = env.step(actor.best(obs))
        velocity.append([*env.truth.velocity[:2], env.truth.angular_velocity[2]])
        sent.append(env.sent)
        over = fell or late
    return scored(np.array(velocity), np.array(sent), command, fell=fell, rate=env.body.rate)


def scored(velocity: Array, sent: Array, command: Array, *, fell: bool, rate: float) -> Score:
    """What true velocities (T, 3) and sent targets (T, 12) are worth under a command (3,)."""
    late = sent[min(round(SETTLE * rate), len(sent) - 1) :]
    change = np.abs(np.diff(late, axis=0) / BOX).mean() if len(late) > 1 else 0.0
    pursued = 0.0 if fell else pursuit(velocity[-len(late) :].mean(axis=0).tolist(), command.tolist())
    moves = math.hypot(command[0], command[1], LEVER * command[2]) >= LEAST
    return Score(fell, tracking(velocity, command, rate), float(change), pursued if moves else math.nan)
