"""The learner's loop, the same under every driver: clone demonstrations first, then make the updates that steps allow.

A driver calls `step` again and again: between two steps of an environment, or in a process beside a simulator or robot.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from leash_robot.policies.rl.algorithm import AlgorithmFactory, AlgorithmState, flattened
from leash_robot.policies.rl.checkpoint import Checkpoint, CheckpointInfo, save_checkpoint
from leash_robot.policies.rl.demonstrations import RecordedActions
from leash_robot.policies.rl.progress import Pace
from leash_robot.policies.rl.replay_buffer import ReplayBuffer
from leash_robot.policies.rl.weight_channel import WeightChannel

PUBLISH = 10
"""Updates between two publications of the actor."""


@dataclass(frozen=True)
class Imitation:
    """What is cloned before reinforcement begins."""

    steps: int
    """Gradient steps, all rounds together; 0 is no imitation."""
    rounds: int = 1
    demonstrations: int = 0
    """Rows that each buffer of demonstrations holds when the last round begins."""
    recorded: RecordedActions | None = None
    """Recordings that are cloned too."""


@dataclass(frozen=True)
class RunIdentity:
    """What a checkpoint says it belongs to."""

    spec_hash: str
    plan: str
    """The whole configuration, as JSON."""


class Trainer:
    """One algorithm with its buffers; `steps` counts the steps of its experience."""

    def __init__(
        self,
        factory: AlgorithmFactory,
        buffers: tuple[Sequence[ReplayBuffer], Sequence[ReplayBuffer]],
        pace: Pace,
        steps: Callable[[], int],
        *,
        imitation: Imitation | None = None,
        resume: Checkpoint | None = None,
    ) -> None:
        """`buffers` are those of own experience and of demonstrations."""
        self._online, self._demonstrated = buffers
        self.algorithm = factory.algorithm(*buffers, resume)
        self._least = max(pace.start, factory.batch)
        self._pace, self._steps = pace, steps
        self._imitation = imitation if imitation and imitation.steps and resume is None else None
        self._round = 0
        self.channel: WeightChannel | None = None
        """Where the newest actor is published."""
        self.on_imitation: Callable[[], None] = lambda: None
        """Called before each round of imitation."""

    @property
    def imitated(self) -> bool:
        """Whether reinforcement may begin."""
        return self._imitation is None

    @property
    def ready(self) -> bool:
        """Whether there is enough experience to learn from."""
        return self.algorithm.ready() >= self._least

    @property
    def due(self) -> int:
        """Updates that the steps so far allow, and that were not made yet."""
        if not self.ready:
            return 0
        return self._pace.due(self._steps(), self.algorithm.updates)

    def step(self) -> bool:
        """Do what is due next: a round of imitation, or one update; False where nothing is."""
        if self._imitation is not None:
            return self._imitate(self._imitation)
        if self.due <= 0:
            return False
        self.algorithm.update()
        if self.algorithm.updates % PUBLISH == 0:
            self.publish()
        return True

    def _imitate(self, imitation: Imitation) -> bool:
        enough = imitation.demonstrations * (self._round + 1) / imitation.rounds
        if min((replay.written for replay in self._demonstrated), default=0) < enough:
            return False
        self.on_imitation()
        self.algorithm.imitate(imitation.steps // imitation.rounds, imitation.recorded)
        self._round += 1
        if self._round == imitation.rounds:
            self._imitation = None
            self.restart_pace()
        self.publish()
        return True

    def restart_pace(self) -> None:
        """Allow no updates for steps before this one."""
        self._pace = replace(self._pace, steps=self._steps(), updates=self.algorithm.updates)

    def publish(self) -> None:
        """Let those who act have the newest actor."""
        if self.channel is not None:
            self.channel.publish(self.flat())

    def flat(self) -> NDArray[np.float32]:
        """The newest actor as one vector."""
        return flattened(self.algorithm.weights())


@dataclass(frozen=True)
class TrainingProgress:
    """How far a training is, for its checkpoint."""

    steps: int
    minutes: float
    best: float | None = None
    """Score of the best snapshot."""
    episodes: int = 0


def save_training(
    path: Path,
    run: RunIdentity,
    state: AlgorithmState,
    progress: TrainingProgress,
    buffers: tuple[Sequence[ReplayBuffer], Sequence[ReplayBuffer]],
    more: Mapping[str, NDArray[Any]] | None = None,
) -> None:
    """Write a checkpoint with the buffers. Raises PolicyError, and keeps the last one, where there is no room."""
    said = CheckpointInfo(
        run.spec_hash,
        run.plan,
        state.updates,
        (progress.steps,),
        progress.episodes,
        progress.minutes,
        state.rng,
        progress.best,
        state.precision,
    )
    save_checkpoint(path, said, {**state.arrays, **(more or {})}, *buffers)
