"""What a trainer is given: the world to learn in, how to explore it, who demonstrates, what counts as good."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import gymnasium
import numpy as np
from numpy.typing import NDArray

from leash_robot.policies.rl.algorithm import Actor, AlgorithmFactory, ExplorationPolicy, Float32, GreedyActor
from leash_robot.policies.rl.config import TrainingConfig

Env = gymnasium.Env[Any, Any]
"""Observations (d,) and actions (n,) in [-1, 1] are float32. `info` may hold "privileged" (p,), which critics see
besides, and "terms", the parts of the reward by name."""


@dataclass(frozen=True)
class EpisodeScore:
    """How an actor did in one episode."""

    success: bool
    score: float
    """What is maximized over snapshots."""
    figures: Mapping[str, float]
    """Whatever else the task measures; NaN where it has no meaning. Means over episodes are reported."""


class ExpertDemonstrator(ExplorationPolicy, Protocol):
    """An expert that acts in an environment, disturbed, so that it also shows how to recover."""

    learner: GreedyActor | None
    """Drives in the expert's place, which then only labels (DAgger, Ross et al. 2011)."""
    wanted: Float32
    """(n,) the expert's action at the last step; outside [-1, 1] where the action scale cannot express it."""

    def reset(self) -> None:
        """A new episode begins."""
        ...


@runtime_checkable
class CurriculumEnv(Protocol):
    """An environment that changes as the training goes on."""

    def training_progress(self, steps: int) -> None:
        """Note how many steps the training took."""
        ...

    @property
    def curriculum_state(self) -> NDArray[np.float64]:
        """What it has to remember from one episode to the next."""
        ...

    @curriculum_state.setter
    def curriculum_state(self, state: NDArray[np.float64]) -> None: ...


class TrainingTask(Protocol):
    """Picklable, so that it reaches every process."""

    @property
    def config(self) -> TrainingConfig:
        """The training."""
        ...

    @property
    def run_hash(self) -> str:
        """Hash of the robot, or name of the environment, that a checkpoint must agree with."""
        ...

    @property
    def factory(self) -> AlgorithmFactory:
        """The algorithm, with sizes that fit the environment."""
        ...

    @property
    def step_seconds(self) -> float | None:
        """Length of a step [s], where a step has one."""
        ...

    def make_env(self) -> Env:
        """A world of its own."""
        ...

    def explore(self, actor: Actor) -> ExplorationPolicy:
        """What acts while experience is gathered; the actor, or something around it."""
        ...

    def demonstrate(self, env: Env) -> ExpertDemonstrator:
        """The expert, in an environment that `make_env` made."""
        ...

    def evaluate(self, actor: Actor, seeds: Sequence[int]) -> tuple[EpisodeScore, ...]:
        """One episode for each seed, without exploration."""
        ...

    def eligible(self, figures: Mapping[str, float]) -> bool:
        """Whether a snapshot with these mean figures may become the policy, however good its score."""
        ...


def curriculum_of(env: Env) -> CurriculumEnv | None:
    """The environment's curriculum, if it has one."""
    inner = env.unwrapped
    return inner if isinstance(inner, CurriculumEnv) else None
