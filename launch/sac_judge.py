"""Scores an actor on held-out machines and commands: does it stay up, does it go where it is told, how smoothly."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from launch.sac_env import open_env
from launch.sac_plan import SacPlan, judged
from launch.witness import BOX, SMOOTH
from policies.sac_actor import Float32, NumpyActor
from robot.types import Array
from sim.env import PupperEnv

SPEED, YAW = 0.1, 0.25
"""Largest mean tracking error of a success [m/s], [rad/s]."""
SETTLE = 1.0
"""Seconds after a start that are not scored."""


@dataclass(frozen=True)
class Score:
    """One episode."""

    fell: bool
    speed_error: float
    """Mean error of the velocity in the plane, averaged over half a second at a time [m/s]."""
    yaw_error: float
    """[rad/s]"""
    action_rate: float
    """Mean change of the targets a tick, as a share of the usual box."""

    @property
    def success(self) -> bool:
        """Up and on course."""
        return not self.fell and self.speed_error < SPEED and self.yaw_error < YAW

    @property
    def merit(self) -> float:
        """What is maximized: successes, then small errors, then smoothness."""
        loose = min(2.0, self.speed_error / SPEED) + min(2.0, self.yaw_error / YAW)
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
    skip = min(round(SETTLE * rate), len(velocity) - 1)
    error = velocity[skip:] - command
    width = max(1, min(round(SMOOTH * rate), len(error)))
    smooth = np.stack([np.convolve(column, np.ones(width) / width, "valid") for column in error.T], axis=1)
    change = np.abs(np.diff(sent[skip:], axis=0) / BOX).mean() if len(sent) > skip + 1 else 0.0
    planar = np.hypot(smooth[:, 0], smooth[:, 1]).mean()
    return Score(fell, float(planar), float(np.abs(smooth[:, 2]).mean()), float(change))
