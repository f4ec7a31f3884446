"""The chosen policy, as it was saved, on fresh draws of the training's world."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from leash_robot.launch.options.seeds import FINAL
from leash_robot.launch.rl.evaluator import Score, scored
from leash_robot.launch.rl.plan import SacPlan, judged
from leash_robot.policies.cloned_policy import load
from leash_robot.robot.statistics import wilson_interval
from leash_robot.robot.types import Action, Array, Policy
from leash_robot.sim.envs.walk import PupperEnv

FRESH = FINAL.start
"""Where the seeds of the last draws begin; no snapshot was chosen on them."""


@dataclass(frozen=True, eq=False)
class Walked:
    """One episode of the saved policy."""

    score: Score
    command: Array
    """(3,)"""
    velocity: Array
    """(T, 3) true vx, vy [m/s] and yaw rate [rad/s]."""
    contacts: Array
    """(T, 4)"""
    targets: Array
    """(T, 12) [rad]"""


def final(plan: SacPlan, file: Path) -> tuple[dict[str, float], list[Walked]]:
    """Figures, and the episodes. The policy runs as it would be deployed; only the world is the training's."""
    walks = walked(plan, file, range(FRESH, FRESH + plan.judging.final))
    scores = [walk.score for walk in walks]
    return figures(scores), walks


def figures(scores: Sequence[Score]) -> dict[str, float]:
    """What the table says of these episodes."""
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


def walked(plan: SacPlan, file: Path, seeds: Sequence[int], seconds: float | None = None) -> list[Walked]:
    """Let the policy in the file walk on the machines and commands of these seeds."""
    return _walked(plan, load(file)[1], seeds, seconds or plan.walk.seconds)


def rejudged(plan: SacPlan, file: Path) -> list[Score]:
    """Scores of the policy in the file on the draws that snapshots are judged on; without its slew, as they are."""
    judging = plan.judging
    seeds = range(judging.seed, judging.seed + judging.episodes)
    return [walk.score for walk in _walked(plan, load(file, slewed=False)[1], seeds, judging.seconds)]


def _walked(plan: SacPlan, make: Callable[[], Policy], seeds: Sequence[int], seconds: float) -> list[Walked]:
    env = PupperEnv(judged(plan, seconds))
    made = [_episode(env, make(), seed) for seed in seeds]
    env.close()
    return made


def _episode(env: PupperEnv, policy: Policy, seed: int) -> Walked:
    _, info = env.reset(seed=seed)
    policy.reset()
    velocity, contacts, targets, over, fell = [], [], [], False, False
    while not over:
        action: Action = policy.act(env.seen)
        fell, late = env.follow(action.joint_pos)
        truth = env.truth
        velocity.append([*truth.velocity[:2], truth.angular_velocity[2]])
        contacts.append(truth.contacts)
        targets.append(env.sent)
        over = fell or late
    rows = np.array(velocity), np.array(contacts), np.array(targets)
    return Walked(scored(rows[0], rows[2], info["command"], fell=fell, rate=env.body.rate), info["command"], *rows)
