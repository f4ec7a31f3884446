"""Scores walks in the training's world: does the robot stay up, does it follow its command, how smoothly."""

import math
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from leash_robot.robot.encoding.feature_encoding import Float32
from leash_robot.robot.locomotion.velocity_reward import LEAST, LEVER, pursuit
from leash_robot.robot.statistics import wilson_interval
from leash_robot.robot.types import Array, Policy
from leash_robot.sim.envs.tracking import PLANAR, SETTLE, TURNING, Tracking, tracking
from leash_robot.sim.envs.walk import PupperEnv
from leash_robot.sim.evaluation.episode_scorer import BOX


@dataclass(frozen=True)
class WalkScore:
    """One episode."""

    fell: bool
    error: Tracking
    """Of the velocity, as every evaluation means it."""
    action_rate: float
    """Mean change of the targets a tick, as a share of the usual action scale."""
    pursuit: float = math.nan
    """How much of the command there was, as the reward's `pursuit`: 1 is all of it, 0 is a robot that stands or fell;
    NaN where the command was to stand."""

    @property
    def success(self) -> bool:
        """Up and on course."""
        return not self.fell and self.error.good

    @property
    def score(self) -> float:
        """What is maximized: successes, then small errors, then smoothness."""
        loose = min(2.0, self.error.planar / PLANAR) + min(2.0, self.error.turning / TURNING)
        return self.success + 0.5 * (not self.fell) - 0.2 * loose - 0.2 * min(3.0, self.action_rate / 0.12)


@dataclass(frozen=True, eq=False)
class RecordedWalk:
    """One episode of a saved policy."""

    score: WalkScore
    command: Array
    """(3,)"""
    velocity: Array
    """(T, 3) true vx, vy [m/s] and yaw rate [rad/s]."""
    contacts: Array
    """(T, 4)"""
    targets: Array
    """(T, 12) [rad]"""


class EvaluatedActor(Protocol):
    """Acts without exploration."""

    def best(self, obs: Float32) -> Float32:
        """The action (n,) in [-1, 1] for these features (d,)."""
        ...


def score_actor(env: PupperEnv, actor: EvaluatedActor, seed: int) -> WalkScore:
    """One episode from the stand pose; the seed draws machine, floor and command."""
    obs, info = env.reset(seed=seed)
    command = info["command"]
    velocity, sent, over, fell = [], [], False, False
    while not over:
        obs, _, fell, late, _ = env.step(actor.best(obs))
        velocity.append([*env.truth.velocity[:2], env.truth.angular_velocity[2]])
        sent.append(env.sent)
        over = fell or late
    return score_walk(np.array(velocity), np.array(sent), command, fell=fell, rate=env.body.rate)


def record_walks(env: PupperEnv, make: Callable[[], Policy], seeds: Sequence[int]) -> list[RecordedWalk]:
    """One episode of a policy for each seed, as it would be deployed; closes the environment."""
    with closing(env):
        return [_record_walk(env, make(), seed) for seed in seeds]


def _record_walk(env: PupperEnv, policy: Policy, seed: int) -> RecordedWalk:
    _, info = env.reset(seed=seed)
    policy.reset()
    velocity, contacts, targets, over, fell = [], [], [], False, False
    while not over:
        fell, late = env.follow(policy.act(env.seen).joint_pos)
        truth = env.truth
        velocity.append([*truth.velocity[:2], truth.angular_velocity[2]])
        contacts.append(truth.contacts)
        targets.append(env.sent)
        over = fell or late
    rows = np.array(velocity), np.array(contacts), np.array(targets)
    score = score_walk(rows[0], rows[2], info["command"], fell=fell, rate=env.body.rate)
    return RecordedWalk(score, info["command"], *rows)


def score_walk(velocity: Array, sent: Array, command: Array, *, fell: bool, rate: float) -> WalkScore:
    """What true velocities (T, 3) and sent targets (T, 12) score under a command (3,)."""
    late = sent[min(round(SETTLE * rate), len(sent) - 1) :]
    change = np.abs(np.diff(late, axis=0) / BOX).mean() if len(late) > 1 else 0.0
    pursued = 0.0 if fell else pursuit(velocity[-len(late) :].mean(axis=0).tolist(), command.tolist())
    moves = math.hypot(command[0], command[1], LEVER * command[2]) >= LEAST
    return WalkScore(fell, tracking(velocity, command, rate), float(change), pursued if moves else math.nan)


def walk_figures(scores: Sequence[WalkScore]) -> dict[str, float]:
    """What a table says of these episodes."""
    if not scores:
        return {"episodes": 0}
    success = sum(score.success for score in scores)
    low, high = wilson_interval(success, len(scores))
    return {
        "episodes": len(scores),
        "success": success,
        "success_low": low,
        "success_high": high,
        "no_fall": sum(not score.fell for score in scores),
        "speed_error": float(np.mean([score.error.planar for score in scores])),
        "yaw_error": float(np.mean([score.error.turning for score in scores])),
        "action_rate": float(np.mean([score.action_rate for score in scores])),
    }
