"""The synchronous driver: step, update, step, update in one process; the same from the same seed, resumed exactly.

For tests and comparisons: slower by the wall clock than the asynchronous one, but independent of the machine's load.
"""

import itertools
import time
from collections import deque
from pathlib import Path
from typing import Any, Self

import msgspec
import numpy as np
from numpy.typing import NDArray

from leash_robot.policies.rl.algorithm import demonstration_columns, flattened
from leash_robot.policies.rl.checkpoint import Checkpoint
from leash_robot.policies.rl.demonstrations import RecordedActions, count_demonstrated
from leash_robot.policies.rl.drivers.collector import StepRecorder, demonstration_recorder, note_progress
from leash_robot.policies.rl.drivers.monitor import TrainingMonitor, progress_text
from leash_robot.policies.rl.evaluation import Snapshot, SnapshotSelector
from leash_robot.policies.rl.progress import Pace
from leash_robot.policies.rl.replay_buffer import ReplayBuffer
from leash_robot.policies.rl.task import TrainingTask, curriculum_of
from leash_robot.policies.rl.trainer import Imitation, RunIdentity, Trainer, TrainingProgress, save_training


class SynchronousTraining:
    """One training; use inside `with`."""

    def __init__(
        self, task: TrainingTask, *, resume: Checkpoint | None = None, recorded: RecordedActions | None = None
    ) -> None:
        config, factory = task.config, task.factory
        self.task, self._config = task, config
        self.env = task.make_env()
        demos = config.demonstrations
        self.replay = ReplayBuffer(capacity=config.capacity, columns=factory.columns)
        self.demonstrations = ReplayBuffer(capacity=demos.steps * 2 + 1000, columns=demonstration_columns(factory))
        self._buffers = [self.replay], [self.demonstrations] if demos.steps else []
        self.rewards: deque[float] = deque(maxlen=20)
        self.steps, self.episodes = 0, 0
        self.before = 0.0
        """Minutes of learning in earlier parts of the same training."""
        if resume is not None:
            self._resume(resume)
        updates = resume.info.updates if resume else 0
        self.trainer = Trainer(
            factory,
            self._buffers,
            Pace(config.ratio, config.random, self.steps, updates),
            lambda: self.steps,
            imitation=Imitation(demos.imitate, demos.rounds, demos.steps, recorded) if demos.steps else None,
            resume=resume,
        )
        self.actor = factory.actor()
        if resume is None and demos.steps:
            self._demonstrate()
        self._adopt()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.env.close()
        self.replay.close()
        self.demonstrations.close()

    def _resume(self, resume: Checkpoint) -> None:
        resume.refill("online", [self.replay])
        resume.refill("shown", [self.demonstrations])
        self.steps, self.episodes = sum(resume.info.steps), resume.info.episodes
        self.before = resume.info.minutes
        if (curriculum := curriculum_of(self.env)) is not None and "commands" in resume.arrays:
            curriculum.curriculum_state = resume.arrays["commands"]

    def _adopt(self) -> None:
        self.actor.adopt(self.trainer.flat())

    def _demonstrate(self) -> None:
        """Let the expert demonstrate, and clone it, in turn; the actor drives every second episode after the first."""
        expert, demos = self.task.demonstrate(self.env), self._config.demonstrations
        recorder = demonstration_recorder(
            self.env, self.demonstrations, expert, np.random.default_rng([self._config.seed, 0])
        )
        taught = False
        for number in itertools.count():
            while self.trainer.step():
                taught = True
                self._adopt()
            if self.trainer.imitated and recorder.steps >= demos.steps:
                return
            expert.reset()
            expert.learner = self.actor if taught and number % 2 else None
            recorder.begin(_seed(self._config.seed, 2, number))
            while not recorder.step(random=False)[1]:
                pass

    def episode(self) -> None:
        """One episode, with its updates between the steps."""
        rng = np.random.default_rng([self._config.seed, 1, self.episodes])
        recorder = StepRecorder(self.env, self.replay, self.task.explore(self.actor), rng)
        note_progress(self.env, self.steps)
        recorder.begin(_seed(self._config.seed, 1, self.episodes))
        total, over = 0.0, False
        while not over:
            early = self.steps < self._config.random and not self.demonstrations.written
            reward, over = recorder.step(random=early)
            self.steps += 1
            total += reward
            self._update()
        self.episodes += 1
        self.rewards.append(total / recorder.steps)

    def _update(self) -> None:
        """As many updates as this step allows."""
        if not self.trainer.ready:
            self.trainer.restart_pace()  # steps before the first update allow none
            return
        updated = False
        while self.trainer.step():
            updated = True
        if updated:
            self._adopt()

    @property
    def demonstrated(self) -> dict[str, int]:
        """Demonstrated steps, and those left out of the actor's losses; empty where nothing was demonstrated."""
        return count_demonstrated([self.demonstrations]) if self._config.demonstrations.steps else {}

    def progress_text(self) -> str:
        """How it goes, in a few words."""
        return progress_text(self.steps, float(np.mean(self.rewards)) if self.rewards else None)

    def evaluate(self, selector: SnapshotSelector, minutes: float) -> None:
        """Evaluate the averaged actor as it is now."""
        judging, algorithm = self._config.judging, self.trainer.algorithm
        weights = algorithm.weights("average")
        actor = self.task.factory.actor()
        actor.adopt(flattened(weights))
        scores = self.task.evaluate(actor, range(judging.seed, judging.seed + judging.episodes))
        reward = float(np.mean(self.rewards)) if self.rewards else float("nan")
        selector.add(Snapshot(minutes, self.steps, algorithm.updates, weights, algorithm.metrics, reward), scores)

    def save(self, path: Path, minutes: float, best: float | None) -> None:
        """Write a checkpoint, from which everything goes on exactly. Call it between episodes."""
        run = RunIdentity(self.task.run_hash, msgspec.json.encode(self._config).decode())
        curriculum = curriculum_of(self.env)
        more: dict[str, NDArray[Any]] = {} if curriculum is None else {"commands": curriculum.curriculum_state}
        progress = TrainingProgress(self.steps, minutes, best, self.episodes)
        buffers = [self.replay], [self.demonstrations]
        save_training(path, run, self.trainer.algorithm.state(), progress, buffers, more)


def run(training: SynchronousTraining, selector: SnapshotSelector, checkpoint: Path, monitor: TrainingMonitor) -> float:
    """Train until the training's end; returns the minutes of learning, those before a resumption included."""
    config, algorithm = training.task.config, training.trainer.algorithm
    began, evaluated = time.monotonic() - 60 * training.before, algorithm.updates
    if training.demonstrated:
        monitor.demonstrated(training.demonstrated)
    while algorithm.updates < config.updates and not (config.stop and selector.met):
        training.episode()
        minutes = (time.monotonic() - began) / 60
        if algorithm.updates - evaluated >= config.judging.updates:
            training.evaluate(selector, minutes)
            training.save(checkpoint, minutes, selector.best)
            evaluated = algorithm.updates
        monitor.learned(algorithm.updates, minutes, training.progress_text())
    minutes = (time.monotonic() - began) / 60
    if algorithm.updates > selector.updates:
        training.evaluate(selector, minutes)
    training.save(checkpoint, minutes, selector.best)
    return minutes


def _seed(*parts: int) -> int:
    """One number of several, for an episode."""
    return int(np.random.default_rng(parts).integers(2**31))
