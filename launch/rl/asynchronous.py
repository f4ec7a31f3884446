"""A free-running training: a simulator process on every spare core, one learner process, memory shared between them."""

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
from msgspec.structs import replace

from leash_robot.launch.commands.train.demos import Recorded
from leash_robot.launch.reporting.output import console
from leash_robot.launch.rl.bar import TrainingBar, check_minutes
from leash_robot.launch.rl.collector import CollectJob, Told, collect
from leash_robot.launch.rl.demos import demonstrated, said
from leash_robot.launch.rl.env import actor_of, columns, mirrors, shown_columns, sizes
from leash_robot.launch.rl.evaluator import Score
from leash_robot.launch.rl.plan import SacPlan
from leash_robot.launch.rl.snapshots import Gallery, Shot
from leash_robot.policies.rl.checkpoint import Checkpoint, Standing, save_checkpoint
from leash_robot.policies.rl.learner_process import Learned, LearnJob, learn
from leash_robot.policies.rl.progress import LEARNING, PHASES, Pace, SharedProgress
from leash_robot.policies.rl.replay_buffer import Replay
from leash_robot.policies.rl.sac.feature_scale import scale_of
from leash_robot.policies.rl.sac.numpy_actor import flattened
from leash_robot.policies.rl.sac.precision import settled
from leash_robot.policies.rl.weight_channel import WeightChannel
from leash_robot.robot.errors import PolicyError
from leash_robot.robot.spec import Spec

GRACE = 10.0
"""How long a process may take to end when asked [s]."""
KEEP = 0.05
"""Part of the time that is spent on checkpoints at most; they hold the whole replay."""
KEPT = 60.0
"""Seconds between two checkpoints, at least."""


class FreeRun:
    """The processes of one training; use inside `with`, which ends them."""

    def __init__(
        self, plan: SacPlan, spec: Spec, collectors: int, resume: Checkpoint | None = None, recorded: Recorded = None
    ) -> None:
        plan = replace(plan, sac=settled(plan.sac, resume.standing.precision if resume else None))
        self.plan, self.spec, self._count = plan, spec, collectors
        self._resume, self._recorded = resume, recorded
        self._stack = contextlib.ExitStack()
        self._context = multiprocessing.get_context("spawn")
        steps, updates = (sum(resume.standing.steps), resume.standing.updates) if resume else (0, 0)
        start = 0 if resume else max(plan.random, plan.sac.batch)
        self.pace = Pace(plan.ratio, start, steps, updates, plan.updates)
        self.rewards: deque[float] = deque(maxlen=20)
        """Mean of a step, in the latest episodes."""
        self.lengths: deque[float] = deque(maxlen=20)
        """[s]"""
        self._scores: dict[int, list[Score]] = {}
        self._shots: dict[int, Shot] = {}

    def __enter__(self) -> Self:
        with contextlib.ExitStack() as stack:
            self._stack = stack
            self._open()
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *exc: object) -> None:
        self._stack.close()

    def _open(self) -> None:
        plan, count, rows = self.plan, self._count, shown_columns(self.plan, self.spec)
        demos = plan.demonstrations.steps // count
        self.replays = [self._replay(plan.capacity // count) for _ in range(count)]
        shown = [self._stack.enter_context(Replay(capacity=3 * demos + 5000, columns=rows)) for _ in range(count)]
        self._shown = shown if demos else []
        pace = self.pace
        progress = SharedProgress(collectors=count, steps=pace.steps, updates=pace.updates)
        self.progress = self._stack.enter_context(progress)
        size = actor_of(plan).size
        self._actor, self._candidate = (self._stack.enter_context(WeightChannel(size=size)) for _ in range(2))
        if self._resume is not None:
            self._resume.refill("online", self.replays)
            self._resume.refill("shown", self._shown)
        self.learner, learner = self._start("learner", learn, self._learn_job())
        self._processes = [learner]
        self._pipes = []
        for number in range(count):
            pipe, process = self._start(f"collector {number}", collect, self._collect_job(number))
            self._pipes.append(pipe)
            self._processes.append(process)

    def _replay(self, capacity: int) -> Replay:
        return self._stack.enter_context(Replay(capacity=capacity, columns=columns(self.plan, self.spec)))

    def _learn_job(self) -> LearnJob:
        plan, demos, resume = self.plan, self.plan.demonstrations, self._resume
        return LearnJob(
            plan.sac,
            sizes(plan, self.spec),
            plan.seed,
            tuple(replay.place for replay in self.replays),
            self._actor.address,
            mirrors(plan),
            scale_of(plan.features, len(self.spec.joints)),
            progress=self.progress.counts,
            pace=self.pace,
            compiled=plan.compiled,
            demonstrated=tuple(replay.place for replay in self._shown),
            share=demos.share,
            imitate=demos.imitate if self._shown else 0,
            rounds=demos.rounds,
            demonstrations=demos.steps // self._count,
            recorded=self._recorded,
            arrays=resume.part("learner") if resume else None,
            updates=resume.standing.updates if resume else 0,
            luck=resume.arrays.get("luck") if resume else None,
            rng=resume.standing.rng if resume else "",
        )

    def _collect_job(self, number: int) -> CollectJob:
        shown = self._shown[number].place if self._shown and self._resume is None else None
        places = (
            self.replays[number].place,
            self._actor.address,
            shown,
            self._candidate.address,
        )
        return CollectJob(self.plan, number, self._count, *places, progress=self.progress.counts, pace=self.pace)

    def _start(self, name: str, target: Callable[..., None], job: object) -> tuple[Connection, SpawnProcess]:
        mine, theirs = self._context.Pipe()
        process = self._context.Process(target=target, args=(job, theirs), name=name, daemon=True)
        process.start()
        theirs.close()
        self._stack.callback(_end, mine, process)
        return mine, process

    def ask(self) -> Learned:
        """How the learner stands. Raises PolicyError when it, or a collector that it waits for, has died."""
        try:
            self.learner.send("arrays")
            while not self.learner.poll(0.5):
                self._check_alive()
            learned: Learned = self.learner.recv()
        except (EOFError, OSError):
            raise self._died(self._processes[0]) from None
        return learned

    def listen(self) -> Iterator[tuple[Shot, list[Score]]]:
        """Take in what the collectors say; yields snapshots that are judged. Raises PolicyError when one failed."""
        for pipe, process in zip(self._pipes, self._processes[1:], strict=True):
            try:
                while pipe.poll():
                    yield from self._heard(pipe.recv())
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
                        list(self._heard(pipe.recv()))
            raise self._died(process)

    @staticmethod
    def _died(process: SpawnProcess) -> PolicyError:
        process.join(GRACE)
        return PolicyError(f"the {process.name} died (exit code {process.exitcode})")

    def _heard(self, told: Told) -> Iterator[tuple[Shot, list[Score]]]:
        if told.failed:
            raise PolicyError(told.failed)
        if told.scores is None:
            self.rewards.append(told.reward)
            self.lengths.append(told.seconds)
            return
        version, scores = told.scores
        judged = self._scores.setdefault(version, [])
        judged.extend(scores)
        if len(judged) == self.plan.judging.episodes:
            yield self._shots.pop(version), self._scores.pop(version)

    def told(self) -> str:
        """How it goes, in a few words."""
        steps = f"{self.progress.steps} steps"
        if not self.rewards:
            return steps
        return f"{steps} · reward {np.mean(self.rewards):.2f} · {np.mean(self.lengths):.1f} s an episode"

    @property
    def before(self) -> float:
        """Minutes of learning in earlier parts of the same training."""
        return self._resume.standing.minutes if self._resume else 0.0

    @property
    def learning(self) -> bool:
        """Whether reinforcement has begun: the learner is compiled, and demonstrations are imitated."""
        return self.progress.phase == LEARNING

    @property
    def demonstrated(self) -> dict[str, int]:
        """Demonstrated steps, and those left out of the actor's losses; empty where nothing was demonstrated."""
        return demonstrated(self._shown) if self._shown else {}

    @property
    def learned(self) -> bool:
        """Whether this part of the training made an update."""
        return self.progress.updates > self.pace.updates

    @property
    def judging(self) -> bool:
        """Whether a snapshot is being judged."""
        return bool(self._shots)

    def judge(self, minutes: float) -> None:
        """Have the averaged actor judged as it is now."""
        updates, figures, arrays, *_ = self.ask()
        reward = float(np.mean(self.rewards)) if self.rewards else float("nan")
        average = {
            name.removeprefix("average."): array for name, array in arrays.items() if name.startswith("average.")
        }
        version = self._candidate.publish(flattened(arrays, "average"))
        self._shots[version] = Shot(minutes, self.progress.steps, updates, average, figures, reward)

    def keep(self, path: Path, minutes: float, best: float | None) -> None:
        """Write a checkpoint, once something was learned: nobody could go on in the midst of demonstrations.

        Raises PolicyError when there is no room.
        """
        if self._resume is None and not self.learning:
            return
        updates, _, arrays, luck, rng = self.ask()
        plan = msgspec.json.encode(self.plan).decode()
        counts, precision = (updates, (self.progress.steps,), 0), self.plan.sac.precision
        standing = Standing(self.spec.hash, plan, *counts, minutes, rng, best, precision)
        learner = {f"learner.{name}": array for name, array in arrays.items()}
        save_checkpoint(path, standing, {**learner, "luck": luck}, self.replays, self._shown)


def run(training: FreeRun, gallery: Gallery, checkpoint: Path, bar: TrainingBar) -> float:
    """Train until the plan is fulfilled, judge the last actor too; returns the minutes of learning.

    Those before a resumption are included. Ctrl-C writes a checkpoint first.
    """
    _prepare(training, gallery, bar)
    clock = _Clock(training.before)
    try:
        _learn(training, gallery, checkpoint, bar, clock)
        minutes = clock.minutes
        bar.phase("judging the last snapshot")
        _finish(training, gallery, minutes)
    except KeyboardInterrupt:
        training.keep(checkpoint, clock.minutes, gallery.best)
        raise
    training.keep(checkpoint, minutes, gallery.best)
    return minutes


class _Clock:
    """Wall clock of learning, that of earlier parts included."""

    def __init__(self, before: float) -> None:
        self._began = time.monotonic() - 60 * before

    @property
    def minutes(self) -> float:
        return (time.monotonic() - self._began) / 60


def _prepare(training: FreeRun, gallery: Gallery, bar: TrainingBar) -> None:
    """Wait until learning begins. Raises UsageError where the plan's minutes are too short on this machine."""
    while not training.learning:
        bar.phase(PHASES[training.progress.phase])
        _show(training, gallery)
        check_minutes(training.plan, training.before, training.progress.rate)
    if training.demonstrated:
        console.print(said(training.demonstrated), highlight=False, soft_wrap=True)


def _learn(training: FreeRun, gallery: Gallery, checkpoint: Path, bar: TrainingBar, clock: _Clock) -> None:
    plan, progress = training.plan, training.progress
    judged, kept, cost = progress.updates, time.monotonic(), 0.0
    while not _done(plan, progress.updates, clock.minutes, gallery):
        _show(training, gallery)
        if progress.updates - judged >= plan.judging.updates and not training.judging:
            training.judge(clock.minutes)
            judged = progress.updates
        if time.monotonic() - kept > max(KEPT, cost / KEEP):
            kept = time.monotonic()
            training.keep(checkpoint, clock.minutes, gallery.best)
            cost = time.monotonic() - kept
        bar.learned(progress.updates, clock.minutes, training.told())


def _done(plan: SacPlan, updates: int, minutes: float, gallery: Gallery) -> bool:
    """Whether the plan is fulfilled."""
    late = plan.minutes is not None and minutes >= plan.minutes
    return late or updates >= plan.updates or (plan.stop and gallery.met)


def _finish(training: FreeRun, gallery: Gallery, minutes: float) -> None:
    """Have the snapshots judged that are due, the last one included."""
    while training.judging:
        _show(training, gallery)
    if training.learned and training.progress.updates > gallery.updates:
        training.judge(minutes)
    while training.judging:
        _show(training, gallery)


def _show(training: FreeRun, gallery: Gallery) -> None:
    """Take in what has happened for a moment."""
    time.sleep(0.1)
    for shot, scores in training.listen():
        gallery.show(shot, scores)


def _end(pipe: Connection, process: SpawnProcess) -> None:
    with contextlib.suppress(OSError):
        pipe.send("end")
    process.join(GRACE)
    if process.is_alive():
        process.kill()
        process.join()
    pipe.close()
