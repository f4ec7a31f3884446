"""Learning in any Gymnasium environment with continuous observations and actions, as a `TrainingTask`."""

import json
import math
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import gymnasium
import msgspec
import numpy as np
from gymnasium.spaces import Box
from safetensors.numpy import load_file, save_file

from leash_robot.policies.manifest import NetworkConfig
from leash_robot.policies.networks.shapes import shapes
from leash_robot.policies.rl.algorithm import Actor, ExplorationPolicy, GreedyActor, Weights, flattened
from leash_robot.policies.rl.config import TrainingConfig
from leash_robot.policies.rl.sac.config import SacConfig, Sizes, with_current_keys
from leash_robot.policies.rl.sac.factory import SacFactory
from leash_robot.policies.rl.task import Env, EpisodeScore, ExpertDemonstrator
from leash_robot.robot.config.settings import read_yaml
from leash_robot.robot.errors import PolicyError, UsageError


class GymTraining(TrainingConfig, frozen=True, forbid_unknown_fields=True):
    """A training in a Gymnasium environment."""

    success_return: float | None = None
    """Return from which an episode is a success; without it the one that the environment is registered with."""


DEFAULT = GymTraining(updates=20_000, random=1000, ratio=1.0, capacity=100_000, sac=SacConfig(n_step=1, gamma=0.99))
"""What a training is, where its file says nothing."""


def load_gym_training(path: Path | None) -> GymTraining:
    """Read a training; None is the default one. Raises SpecError."""
    if path is None:
        return DEFAULT
    return read_yaml(path, GymTraining, lambda given: {**msgspec.to_builtins(DEFAULT), **with_current_keys(given)})


@dataclass(frozen=True, eq=False)
class GymTask:
    """Fits `TrainingTask`; the policy sees what the environment shows, and its actions are rescaled to [-1, 1]."""

    config: GymTraining
    env_id: str
    sizes: Sizes
    threshold: float | None
    """Return from which an episode is a success; None where there is no criterion."""

    @property
    def run_hash(self) -> str:
        """The environment's name."""
        return self.env_id

    @property
    def step_seconds(self) -> None:
        """A step of an environment has no length in general."""
        return

    @property
    def factory(self) -> SacFactory:
        """SAC on the environment's observations."""
        config = self.config
        scale = np.ones(self.sizes.obs, np.float32)
        return SacFactory(config.sac, self.sizes, scale, seed=config.seed, compiled=config.compiled)

    def make_env(self) -> Env:
        """A world of its own. Raises UsageError for one that cannot be learned in."""
        return _made(self.env_id)

    def explore(self, actor: Actor) -> ExplorationPolicy:
        """The actor."""
        return actor

    def demonstrate(self, env: Env) -> ExpertDemonstrator:
        """Raises PolicyError: no expert is known."""
        raise PolicyError(f"no expert is known for {self.env_id}; leave demonstrations.steps at 0")

    def evaluate(self, actor: Actor, seeds: Sequence[int]) -> tuple[EpisodeScore, ...]:
        """One episode for each seed."""
        returns = episode_returns(self.env_id, actor, seeds)
        least = -math.inf if self.threshold is None else self.threshold
        return tuple(EpisodeScore(value >= least, value, {"return": value}) for value in returns)

    def eligible(self, figures: Mapping[str, float]) -> bool:
        """Any snapshot may become the policy."""
        return True


def gym_task(env_id: str, config: GymTraining) -> GymTask:
    """The task of an environment. Raises UsageError for one that is not known, or cannot be learned in."""
    with closing(_made(env_id)) as env:
        _, info = env.reset(seed=0)
        privileged = np.asarray(info.get("privileged", ()), np.float32).size
        observations, actions = env.observation_space, env.action_space
        threshold = env.spec.reward_threshold if env.spec else None
    sizes = Sizes((observations.shape or (0,))[0], privileged, (actions.shape or (0,))[0])
    wanted = config.success_return if config.success_return is not None else threshold
    if wanted is None:
        config = msgspec.structs.replace(config, stop=False)  # without a criterion there is no reason to stop early
    return GymTask(config, env_id, sizes, wanted)


def _made(env_id: str) -> Env:
    try:
        env = gymnasium.make(env_id)
    except (gymnasium.error.Error, ModuleNotFoundError) as error:
        raise UsageError(f"--env {env_id}: {str(error).splitlines()[0]}") from None
    observations, actions = env.observation_space, env.action_space
    for name, space in (("observations", observations), ("actions", actions)):
        if not isinstance(space, Box) or not np.issubdtype(space.dtype, np.floating):
            raise UsageError(f"--env {env_id}: its {name} are {space}; SAC learns from and with arrays of floats")
    if len(observations.shape or ()) != 1:
        env = gymnasium.wrappers.FlattenObservation(env)
    if not (isinstance(actions, Box) and actions.is_bounded()):
        raise UsageError(f"--env {env_id}: its actions are {actions}; give one whose actions are bounded")
    return gymnasium.wrappers.RescaleAction(env, np.float32(-1.0), np.float32(1.0))


def episode_returns(env_id: str, actor: GreedyActor, seeds: Sequence[int]) -> list[float]:
    """The undiscounted return of one episode for each seed."""
    returns = []
    with closing(_made(env_id)) as env:
        for seed in seeds:
            obs, _ = env.reset(seed=seed)
            total, over = 0.0, False
            while not over:
                obs, reward, terminated, truncated, _ = env.step(actor.best(obs))
                total, over = total + float(reward), terminated or truncated
            returns.append(total)
    return returns


def save_actor(path: Path, weights: Weights, task: GymTask) -> None:
    """Write the actor with its sizes. Raises PolicyError where there is no room."""
    said = {"env": task.env_id, "hidden": list(task.config.sac.actor_hidden), "sizes": list(task.sizes)}
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        save_file({name: row.copy() for name, row in weights.items()}, path, metadata={"actor": json.dumps(said)})
    except OSError as error:
        raise PolicyError(f"cannot write {path}: {error.strerror}; make room and --resume") from None


def load_actor(path: Path, task: GymTask) -> Actor:
    """Read an actor that `save_actor` wrote for the same sizes."""
    actor, rows = task.factory.actor(), load_file(path)
    order = shapes(NetworkConfig(1, task.config.sac.actor_hidden, 1), task.sizes.obs, 2 * task.sizes.actions)
    actor.adopt(flattened({name: rows[name] for name in order}))
    return actor
