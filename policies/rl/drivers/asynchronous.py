"""The asynchronous driver: an environment's process on every spare core, one learner process, memory between them."""

import contextlib
import multiprocessing
import time
from collections import deque
from collections.abc import Callable, Iterator
from multiprocessing.connection import Connection
from multiprocessing.context import SpawnProcess
from pathlib import Path
from typing import Self

import msgspec
import numpy as np

from leash_robot.policies.rl.algorithm import demonstration_columns
from leash_robot.policies.rl.checkpoint import Checkpoint
from leash_robot.policies.rl.demonstrations import RecordedActions, count_demonstrated
from leash_robot.policies.rl.drivers.collector import CollectorJob, CollectorMessage, collect
from leash_robot.policies.rl.drivers.learner_process import ActorMessage, LearnerJob, LearnerMessage, learn
from leash_robot.policies.rl.drivers.monitor import TrainingMonitor, progress_text
from leash_robot.policies.rl.evaluation import Snapshot, SnapshotSelector
from leash_robot.policies.rl.progress import LEARNING, PHASES, Pace, SharedProgress
from leash_robot.policies.rl.replay_buffer import ReplayBuffer
from leash_robot.policies.rl.task import EpisodeScore, TrainingTask
from leash_robot.policies.rl.trainer import Imitation, RunIdentity, TrainingProgress, save_training
from leash_robot.policies.rl.weight_channel import WeightChannel
from leash_robot.robot.errors import PolicyError

GRACE = 10.0
"""How long a process may take to end when asked [s]."""
KEEP = 0.05
"""Part of the time that is spent on checkpoints at most; they hold the whole replay."""


class AsynchronousTraining:
    """The processes of one training; use inside `with`, which ends them."""

    def __init__(
        self,
        task: TrainingTask,
        collectors: int,
        resume: Checkpoint | None = None,
        recorded: RecordedActions | None = None,
    ) -> None:
        self.task, self._count = task, collectors
        self._config, self._resume, self._recorded = task.config, resume, recorded
        self._run = RunIdentity(task.run_hash, msgspec.json.encode(task.config).decode())
        self._stack = contextlib.ExitStack()
        self._context = multiprocessing.get_context("spawn")
        steps, updates = (sum(resume.info.steps), resume.info.updates) if resume else (0, 0)
        start = 0 if resume else max(self._config.random, task.factory.batch)
        self.pace = Pace(self._config.ratio, start, steps, updates, self._config.updates)
        self.rewards: deque[float] = deque(maxlen=20)
        """Mean of a step, in the latest episodes."""
        self.lengths: deque[int] = deque(maxlen=20)
        """Steps of the latest episodes."""
        self._scores: dict[int, list[EpisodeScore]] = {}
        self._snapshots: dict[int, Snapshot] = {}

    def __enter__(self) -> Self:
        with contextlib.ExitStack() as stack:
            self._stack = stack
            self._open()
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *exc: object) -> None:
        self._stack.close()

    def _open(self) -> None:
        factory, count = self.task.factory, self._count
        demos = self._config.demonstrations.steps // count
        self.replays = [self._replay(capacity=self._config.capacity // count) for _ in range(count)]
        columns = demonstration_columns(factory)
        shown = [ReplayBuffer(capacity=3 * demos + 5000, columns=columns) for _ in range(count if demos else 0)]
        self.demonstrations = [self._stack.enter_context(replay) for replay in shown]
        pace = self.pace
        progress = SharedProgress(collectors=count, steps=pace.steps, updates=pace.updates)
        self.progress = self._stack.enter_context(progress)
        size = factory.actor().size
        self._actor, self._average = (self._stack.enter_context(WeightChannel(size=size)) for _ in range(2))
        if self._resume is not None:
            self._resume.refill("online", self.replays)
            self._resume.refill("shown", self.demonstrations)
        self.learner, learner = self._start("learner", learn, self._learner_job())
        self._processes, self._pipes = [learner], []
        for number in range(count):
            pipe, process = self._start(f"collector {number}", collect, self._collector_job(number))
            self._pipes.append(pipe)
            self._processes.append(process)

    def _replay(self, capacity: int) -> ReplayBuffer:
        return self._stack.enter_context(ReplayBuffer(capacity=capacity, columns=self.task.factory.columns))

    def _learner_job(self) -> LearnerJob:
        demos = self._config.demonstrations
        steps = demos.imitate if self.demonstrations else 0
        return LearnerJob(
            self.task.factory,
            self._run,
            tuple(replay.place for replay in self.replays),
            tuple(replay.place for replay in self.demonstrations),
            self._actor.address,
            self._average.address,
            self.pace,
            Imitation(steps, demos.rounds, demos.steps // self._count, self._recorded),
            self._resume.without_buffers() if self._resume else None,
            self.progress.counts,
        )

    def _collector_job(self, number: int) -> CollectorJob:
        shows = bool(self.demonstrations) and self._resume is None
        return CollectorJob(
            self.task,
            number,
            self._count,
            self.replays[number].place,
            self._actor.address,
            self.demonstrations[number].place if shows else None,
            self._average.address,
            self.progress.counts,
            self.pace,
        )

    def _start(self, name: str, target: Callable[..., None], job: object) -> tuple[Connection, SpawnProcess]:
        mine, theirs = self._context.Pipe()
        process = self._context.Process(target=target, args=(job, theirs), name=name, daemon=True)
        process.start()
        theirs.close()
        self._stack.callback(_end, mine, process)
        return mine, process

    def request(self, message: ActorMessage) -> LearnerMessage:
        """The learner's answer. Raises PolicyError when it gave up, or it or a collector that it waits for has died."""
        try:
            self.learner.send(message)
            while not self.learner.poll(0.5):
                self._check_alive()
            answer: LearnerMessage = self.learner.recv()
        except (EOFError, OSError):
            raise self._died(self._processes[0]) from None
        if answer.failed:
            raise PolicyError(answer.failed)
        return answer

    def listen(self) -> Iterator[tuple[Snapshot, list[EpisodeScore]]]:
        """Take in the collectors' messages; yields snapshots that are evaluated. Raises PolicyError when one failed."""
        for pipe, process in zip(self._pipes, self._processes[1:], strict=True):
            try:
                while pipe.poll():
                    yield from self._received(pipe.recv())
            except (EOFError, OSError):
                raise self._died(process) from None
        self._check_alive()

    def _check_alive(self) -> None:
        """Raise PolicyError when a process is no more."""
        for process in self._processes:
            if process.is_alive():
                continue
            for pipe in self._pipes:  # a collector may have said why
                with contextlib.suppress(EOFError, OSError):
                    while pipe.poll():
                        list(self._received(pipe.recv()))
            raise self._died(process)

    @staticmethod
    def _died(process: SpawnProcess) -> PolicyError:
        process.join(GRACE)
        return PolicyError(f"the {process.name} died (exit code {process.exitcode})")

    def _received(self, message: CollectorMessage) -> Iterator[tuple[Snapshot, list[EpisodeScore]]]:
        if message.failed:
            raise PolicyError(message.failed)
        if message.scores is None:
            self.rewards.append(message.reward)
            self.lengths.append(message.steps)
            return
        version, scores = message.scores
        found = self._scores.setdefault(version, [])
        found.extend(scores)
        if len(found) == self._config.judging.episodes:
            yield self._snapshots.pop(version), self._scores.pop(version)

    def progress_text(self) -> str:
        """How it goes, in a few words."""
        if not self.rewards:
            return progress_text(self.progress.steps, None)
        length, seconds = float(np.mean(self.lengths)), self.task.step_seconds
        episode = f"{length:.0f} steps" if seconds is None else f"{length * seconds:.1f} s"
        return progress_text(self.progress.steps, float(np.mean(self.rewards)), episode)

    @property
    def before(self) -> float:
        """Minutes of learning in earlier parts of the same training."""
        return self._resume.info.minutes if self._resume else 0.0

    @property
    def learning(self) -> bool:
        """Whether reinforcement has begun: the learner is compiled, and demonstrations are cloned."""
        return self.progress.phase == LEARNING

    @property
    def demonstrated(self) -> dict[str, int]:
        """Demonstrated steps, and those left out of the actor's losses; empty where nothing was demonstrated."""
        return count_demonstrated(self.demonstrations) if self.demonstrations else {}

    @property
    def learned(self) -> bool:
        """Whether this part of the training made an update."""
        return self.progress.updates > self.pace.updates

    @property
    def evaluating(self) -> bool:
        """Whether a snapshot is being evaluated."""
        return bool(self._snapshots)

    def evaluate(self, minutes: float) -> None:
        """Have the averaged actor evaluated as it is now."""
        answer = self.request(ActorMessage(average=True))
        reward = float(np.mean(self.rewards)) if self.rewards else float("nan")
        made = Snapshot(minutes, self.progress.steps, answer.updates, answer.average or {}, answer.metrics, reward)
        self._snapshots[answer.version] = made

    def save(self, path: Path, minutes: float, best: float | None) -> None:
        """Write a checkpoint, once something was learned: a training cannot be resumed in the midst of demonstrations.

        Raises PolicyError when there is no room.
        """
        if self._resume is None and not self.learning:
            return
        answer = self.request(ActorMessage(state=True))
        if answer.state is not None:
            progress = TrainingProgress(self.progress.steps, minutes, best)
            save_training(path, self._run, answer.state, progress, (self.replays, self.demonstrations))


class _Clock:
    """Wall clock of learning, that of earlier parts included."""

    def __init__(self, before: float) -> None:
        self._began = time.monotonic() - 60 * before

    @property
    def minutes(self) -> float:
        return (time.monotonic() - self._began) / 60


def run(
    training: AsynchronousTraining, selector: SnapshotSelector, checkpoint: Path, monitor: TrainingMonitor
) -> float:
    """Train until the training's end, evaluate the last actor too; returns the minutes of learning.

    Those before a resumption are included. Ctrl-C writes a checkpoint first.
    """
    _prepare(training, selector, monitor)
    clock = _Clock(training.before)
    try:
        _learn(training, selector, checkpoint, monitor, clock)
        minutes = clock.minutes
        monitor.phase("judging the last snapshot")
        _finish(training, selector, minutes)
    except KeyboardInterrupt:
        training.save(checkpoint, clock.minutes, selector.best)
        raise
    training.save(checkpoint, minutes, selector.best)
    return minutes


def _prepare(training: AsynchronousTraining, selector: SnapshotSelector, monitor: TrainingMonitor) -> None:
    """Wait until learning begins. Raises UsageError where the training's minutes are too short on this machine."""
    while not training.learning:
        monitor.phase(PHASES[training.progress.phase])
        _attend(training, selector)
        monitor.check_rate(training.task.config, training.before, training.progress.rate)
    if training.demonstrated:
        monitor.demonstrated(training.demonstrated)


def _learn(
    training: AsynchronousTraining,
    selector: SnapshotSelector,
    checkpoint: Path,
    monitor: TrainingMonitor,
    clock: _Clock,
) -> None:
    config, progress = training.task.config, training.progress
    evaluated, saved, cost = progress.updates, time.monotonic(), 0.0
    while not _done(training, clock.minutes, selector):
        _attend(training, selector)
        if progress.updates - evaluated >= config.judging.updates and not training.evaluating:
            training.evaluate(clock.minutes)
            evaluated = progress.updates
        if time.monotonic() - saved > max(config.keep, cost / KEEP):
            saved = time.monotonic()
            training.save(checkpoint, clock.minutes, selector.best)
            cost = time.monotonic() - saved
        monitor.learned(progress.updates, clock.minutes, training.progress_text())


def _done(training: AsynchronousTraining, minutes: float, selector: SnapshotSelector) -> bool:
    config = training.task.config
    late = config.minutes is not None and minutes >= config.minutes
    return late or training.progress.updates >= config.updates or (config.stop and selector.met)


def _finish(training: AsynchronousTraining, selector: SnapshotSelector, minutes: float) -> None:
    """Have the snapshots evaluated that are due, the last one included."""
    while training.evaluating:
        _attend(training, selector)
    if training.learned and training.progress.updates > selector.updates:
        training.evaluate(minutes)
    while training.evaluating:
        _attend(training, selector)


def _attend(training: AsynchronousTraining, selector: SnapshotSelector) -> None:
    """Take in what has happened for a moment."""
    time.sleep(0.1)
    for snapshot, scores in training.listen():
        selector.add(snapshot, scores)


def _end(pipe: Connection, process: SpawnProcess) -> None:
    with contextlib.suppress(OSError):
        pipe.send(None)
    process.join(GRACE)
    if process.is_alive():
        process.kill()
        process.join()
    pipe.close()
