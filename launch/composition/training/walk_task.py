"""Learning to walk as a `TrainingTask`: the simulator, the actor's features, the experts, and what is scored."""

import contextlib
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from leash_robot.launch.composition.training.schema import WalkTraining, evaluation_walk
from leash_robot.launch.composition.training.walk_policy import action_filter_of, sac_factory
from leash_robot.policies.manifest import check_fits
from leash_robot.policies.reflection import Reflected
from leash_robot.policies.registry import load_policy
from leash_robot.policies.rl.algorithm import Actor, ExplorationPolicy
from leash_robot.policies.rl.config import Demonstrations
from leash_robot.policies.rl.evaluation import Evaluation
from leash_robot.policies.rl.sac.factory import SacFactory
from leash_robot.policies.rl.task import Env, EpisodeScore, ExpertDemonstrator
from leash_robot.policies.scripted.gait import Trot
from leash_robot.policies.symmetry import Mirror
from leash_robot.robot.encoding.feature_encoding import FeatureEncoder
from leash_robot.robot.errors import PolicyError
from leash_robot.robot.spec import Spec
from leash_robot.robot.types import Policy
from leash_robot.sim.envs import privileged
from leash_robot.sim.envs.demonstrator import WalkDemonstrator
from leash_robot.sim.envs.walk import PupperEnv
from leash_robot.sim.envs.walk_config import WalkConfig
from leash_robot.sim.evaluation.walk_score import WalkScore, score_actor

PURSUES = 0.5
"""A snapshot may be the policy from this pursuit on: it goes half of the way from standing to its commands."""


@dataclass(frozen=True, eq=False)
class WalkTask:
    """Fits `TrainingTask`."""

    config: WalkTraining
    spec: Spec

    @property
    def run_hash(self) -> str:
        """Hash of the robot's spec."""
        return self.spec.hash

    @property
    def step_seconds(self) -> float:
        """Length of a tick [s]."""
        return self.spec.period

    @property
    def factory(self) -> SacFactory:
        """SAC on the robot's features."""
        mirror = Mirror(np.array(privileged.MIRROR), np.array(privileged.MIRROR_SIGNS))
        return sac_factory(self.config, self.spec, mirror)

    def make_env(self) -> PupperEnv:
        """A world of its own."""
        return self.open_env(self.config.walk)

    def open_env(self, walk: WalkConfig) -> PupperEnv:
        """A world with another walk, seen through the same features."""
        spec, config = self.spec, self.config
        base = Trot(spec) if config.residual else None
        return PupperEnv(
            walk, spec=spec, encoder=FeatureEncoder(config.features, spec.stand), base=base, ramp=config.ramp
        )

    def explore(self, actor: Actor) -> ExplorationPolicy:
        """The actor, a part of the time reflected."""
        config = self.config
        if not config.reflected:
            return actor
        return Reflected(actor, config.reflected, config.features, self.spec, action_filter_of(config, self.spec).scale)

    def demonstrate(self, env: Env) -> ExpertDemonstrator:
        """The trot, or the policy in a file. Raises PolicyError when it does not fit the robot."""
        if not isinstance(env, PupperEnv):
            raise PolicyError(f"an expert that walks cannot drive {env}")
        return WalkDemonstrator(env, expert_policy(self.config.demonstrations, self.spec))

    def evaluate(self, actor: Actor, seeds: Sequence[int]) -> tuple[EpisodeScore, ...]:
        """One episode for each seed, which draws machine, floor and command."""
        with contextlib.closing(self.open_env(evaluation_walk(self.config, self.config.judging.seconds))) as env:
            return tuple(episode_score(score_actor(env, actor, seed)) for seed in seeds)

    def eligible(self, figures: Mapping[str, float]) -> bool:
        """Whether it follows its commands at all, where any was to move."""
        return not figures.get("pursuit", math.nan) < PURSUES


def episode_score(walk: WalkScore) -> EpisodeScore:
    """What a walk's score is to a trainer."""
    figures = {
        "no_fall": float(not walk.fell),
        "speed_error": walk.error.planar,
        "yaw_error": walk.error.turning,
        "action_rate": walk.action_rate,
        "pursuit": walk.pursuit,
    }
    return EpisodeScore(walk.success, walk.score, figures)


def walk_figures_of(evaluation: Evaluation) -> dict[str, float]:
    """A snapshot's evaluation, flat: counts, means, and what was maximized as `merit`."""
    figures = dict(evaluation.figures)
    return {
        "minutes": evaluation.minutes,
        "steps": evaluation.steps,
        "updates": evaluation.updates,
        "episodes": evaluation.episodes,
        "success": evaluation.success,
        "no_fall": round(figures.pop("no_fall") * evaluation.episodes),
        **{name: figures[name] for name in ("speed_error", "yaw_error", "action_rate")},
        "merit": evaluation.score,
        "reward": evaluation.reward,
        "pursuit": figures["pursuit"],
    }


def expert_policy(demonstrations: Demonstrations, spec: Spec) -> Policy:
    """The trot, or the policy in a file. Raises PolicyError when it does not fit the robot."""
    if demonstrations.teacher == "trot":
        return Trot(spec, demonstrations.trot)
    manifest, make = load_policy(Path(demonstrations.teacher))
    check_fits(manifest, spec)
    return make()
