"""The learner in a process of its own: reads buffers that others fill, publishes weights that others read.

A simulator's process or a robot's loop shares nothing with it but memory, so nothing here can delay them. Beside a
robot it also writes what takes long to write, and runs at the lowest priority once it is compiled.
"""

import os
import signal
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Protocol, Self

from leash_robot.policies.rl.algorithm import AlgorithmFactory, AlgorithmState, Weights, flattened
from leash_robot.policies.rl.checkpoint import Checkpoint
from leash_robot.policies.rl.progress import COMPILING, DEMONSTRATING, IMITATING, LEARNING, Counts, Pace, SharedProgress
from leash_robot.policies.rl.replay_buffer import ReplayBuffer, ReplaySlot
from leash_robot.policies.rl.trainer import Imitation, RunIdentity, Trainer, TrainingProgress, save_training
from leash_robot.policies.rl.weight_channel import Address, WeightChannel
from leash_robot.robot.errors import LeashError

LOWEST = 19
"""Niceness."""


class MetricsLog(Protocol):
    """Where curves go."""

    def add(self, values: Mapping[str, float], step: int, minutes: float) -> None:
        """One point of each curve."""
        ...

    def close(self) -> None:
        """Finish."""
        ...


class Export(Protocol):
    """Writes the policy file."""

    def __call__(self, weights: Weights, progress: TrainingProgress) -> None:
        """Raises PolicyError where it cannot."""
        ...


@dataclass(frozen=True)
class LearnerOutputs:
    """What the learner of a robot writes by itself."""

    checkpoint: Path
    every: float
    """Seconds between two checkpoints."""
    export: Export
    open_log: Callable[[], MetricsLog]


@dataclass(frozen=True, eq=False)
class LearnerJob:
    """What a learner needs to know."""

    factory: AlgorithmFactory
    run: RunIdentity
    online: tuple[ReplaySlot, ...]
    demonstrated: tuple[ReplaySlot, ...]
    actor: Address
    """Where the newest actor goes."""
    average: Address
    """Where its average goes, when requested."""
    pace: Pace
    imitation: Imitation | None = None
    resume: Checkpoint | None = None
    progress: Counts | None = None
    """Where the collectors count their steps; without it the rows of the first buffer count."""
    outputs: LearnerOutputs | None = None


@dataclass(frozen=True)
class ActorMessage:
    """To the learner, from whoever gathers experience."""

    steps: int = 0
    minutes: float = 0.0
    scalars: Mapping[str, float] = field(default_factory=dict)
    """Curves to draw beside the algorithm's metrics."""
    average: bool = False
    """Whether to publish the averaged actor, and to send it."""
    state: bool = False
    """Whether to send all that a checkpoint needs."""


@dataclass(frozen=True, eq=False)
class LearnerMessage:
    """The learner's answer."""

    updates: int
    metrics: Mapping[str, float] = field(default_factory=dict)
    average: Weights | None = None
    version: int = 0
    """Of the averaged actor in its channel."""
    state: AlgorithmState | None = None
    failed: str = ""
    """Why the learner gave up, if it did."""
    last: bool = False
    """Whether everything is written, and no message follows."""


class LearnerWorker:
    """A trainer with its buffers and channels; use inside `with`."""

    def __init__(self, job: LearnerJob) -> None:
        self.job = job
        self._online = [ReplayBuffer(place) for place in job.online]
        self._demonstrated = [ReplayBuffer(place) for place in job.demonstrated]
        self._actor, self._average = WeightChannel(job.actor), WeightChannel(job.average)
        self._progress = SharedProgress(job.progress) if job.progress else None
        pace, buffers = job.pace, (self._online, self._demonstrated)
        if job.progress is None and job.resume is not None:
            pace = replace(pace, steps=self._steps())
        self.trainer = Trainer(job.factory, buffers, pace, self._steps, imitation=job.imitation, resume=job.resume)
        self.trainer.channel = self._actor
        self.trainer.on_imitation = lambda: self._phase(IMITATING)
        self._log = job.outputs.open_log() if job.outputs else None
        self._saved, self._latest = time.monotonic(), ActorMessage()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        if self._log is not None:
            self._log.close()
        for part in (*self._online, *self._demonstrated, self._actor, self._average, self._progress):
            if part is not None:
                part.close()

    def _steps(self) -> int:
        return self._online[0].written if self._progress is None else self._progress.steps

    def _phase(self, phase: int) -> None:
        if self._progress is not None:
            self._progress.phase = phase

    def prepare(self) -> None:
        """Compile."""
        self._phase(COMPILING)
        rate = self.trainer.algorithm.prepare()
        if self._progress is not None:
            self._progress.rate = rate
        self._phase(LEARNING if self.trainer.imitated else DEMONSTRATING)
        if self.job.resume is not None or (self._progress is not None and self.trainer.imitated):
            self.trainer.publish()

    def step(self) -> bool:
        """Do what is due; False where nothing is. Raises PolicyError when a checkpoint cannot be written."""
        outputs = self.job.outputs
        if outputs is not None and time.monotonic() - self._saved > outputs.every:
            self.save()
            self._saved = time.monotonic()
        worked = self.trainer.step()
        if worked and self._progress is not None:
            self._progress.updates = self.trainer.algorithm.updates
            self._phase(LEARNING if self.trainer.imitated else DEMONSTRATING)
        return worked

    def answer(self, message: ActorMessage) -> LearnerMessage:
        """Draw curves, publish the averaged actor, and tell what was requested."""
        self._latest, algorithm = message, self.trainer.algorithm
        metrics, version, average = algorithm.metrics, 0, None
        if self._log is not None:
            learner = {f"learner/{name}": value for name, value in metrics.items()}
            curves = {**message.scalars, **learner, "learner/updates": float(algorithm.updates)}
            self._log.add(curves, message.steps, message.minutes)
        if message.average:
            average = {name: row.copy() for name, row in algorithm.weights("average").items()}
            version = self._average.publish(flattened(average))
        state = algorithm.state() if message.state else None
        return LearnerMessage(algorithm.updates, metrics, average, version, state)

    def save(self) -> None:
        """Write checkpoint and policy file, once there is a policy. Raises PolicyError, and keeps the last ones, where
        there is no room.
        """
        outputs, algorithm = self.job.outputs, self.trainer.algorithm
        if outputs is None or not self.trainer.imitated:
            return
        progress = TrainingProgress(self._latest.steps, self._latest.minutes)
        buffers = self._online, self._demonstrated
        save_training(outputs.checkpoint, self.job.run, algorithm.state(), progress, buffers)
        outputs.export(algorithm.weights("average"), progress)


def learn(job: LearnerJob, pipe: Connection) -> None:
    """Learn until told to end, or until something is wrong, which is told. The process for it."""
    for number in (signal.SIGINT, signal.SIGTERM):  # these are for the parent, which then ends its children
        signal.signal(number, signal.SIG_IGN)
    with LearnerWorker(job) as worker:
        worker.prepare()
        if job.outputs is not None:
            os.setpriority(os.PRIO_PROCESS, 0, LOWEST)
            pipe.send(LearnerMessage(worker.trainer.algorithm.updates))
        try:
            _serve(worker, pipe)
            worker.save()
            last = LearnerMessage(worker.trainer.algorithm.updates, last=True)
        except LeashError as error:
            last = LearnerMessage(worker.trainer.algorithm.updates, failed=str(error))
        if job.outputs is not None or last.failed:
            pipe.send(last)


def _serve(worker: LearnerWorker, pipe: Connection) -> None:
    """Answer messages, and learn between them; None, or a closed pipe, ends it."""
    while True:
        while pipe.poll():
            try:
                message = pipe.recv()
            except EOFError:
                return
            if message is None:
                return
            pipe.send(worker.answer(message))
        if not worker.step():
            time.sleep(0.002)
