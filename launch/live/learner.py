"""Learns while a robot practises: updates from its replays, weights for it, checkpoints, a policy file, curves.

In real time it is a process of its own, and whatever takes long takes long there: first, while the robot still rests,
it becomes machine code; then it goes on at the lowest priority.
"""

import os
import signal
import time
from multiprocessing.connection import Connection
from typing import Self

import msgspec
import numpy as np
from msgspec.structs import replace

from leash_robot.launch.live.job import Job, Note, Said, mirrors_of, sizes_of
from leash_robot.launch.reporting.curves import Curves
from leash_robot.policies.policy_file import save_policy
from leash_robot.policies.rl.checkpoint import (
    Arrays,
    CheckpointInfo,
    generator_state,
    resume_generator,
    save_checkpoint,
)
from leash_robot.policies.rl.demonstrations import RecordedActions
from leash_robot.policies.rl.replay_buffer import Replay
from leash_robot.policies.rl.sac.batches import Batches
from leash_robot.policies.rl.sac.export import policy_of
from leash_robot.policies.rl.sac.feature_scale import scale_of
from leash_robot.policies.rl.sac.numpy_actor import flattened
from leash_robot.policies.rl.sac.precision import settled
from leash_robot.policies.rl.sac.sac import Learner
from leash_robot.policies.rl.weight_channel import WeightChannel
from leash_robot.robot.errors import LeashError, PolicyError

LOWEST = 19
"""Niceness."""
PUBLISH = 10
"""Updates between two publications of the actor."""
IMITATION_RATE = 2e-3
"""Learning rate of plain imitation; it falls to zero over the second half."""


def imitate(learner: Learner, batches: Batches, steps: int, recorded: RecordedActions | None = None) -> None:
    """Make the actor do what the batches show, and in every second step what was recorded."""
    for step in range(steps):
        obs, action = batches.pairs(None if step % 2 or recorded is None else recorded[:2])
        if len(obs):
            learner.imitate(obs, action, IMITATION_RATE * min(1.0, 2.0 * (1.0 - step / steps)))
    learner.settle()


class Tutor:
    """Learns from two replays; use inside `with`."""

    def __init__(self, job: Job) -> None:
        self.job, plan = job, job.plan
        self.online, self.shown = Replay(job.online), Replay(job.shown)
        self.actor, self.average = WeightChannel(job.actor), WeightChannel(job.average)
        sac = settled(plan.sac, job.standing.precision if job.standing else None)
        self.learner = Learner(sac, sizes_of(plan, job.spec), seed=plan.seed, compiled=plan.compiled)
        self._curves = Curves(job.folder)
        self._rng = np.random.default_rng(plan.seed)
        self._imitated = not job.imitates
        self._since = 0, 0
        """Rows and updates that there were already when those began that call for each other."""
        self.note = Note(0, 0.0, {})
        if job.standing is not None and job.arrays is not None:
            self._resume(job.standing)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self._curves.close()
        for part in (self.online, self.shown, self.actor, self.average):
            part.close()

    def _resume(self, standing: CheckpointInfo) -> None:
        arrays = self.job.arrays or {}
        part = "learner."
        self.learner.adopt({name[len(part) :]: row for name, row in arrays.items() if name.startswith(part)})
        self.learner.updates, self._imitated = standing.updates, True
        self.learner.resume_luck(arrays["luck"])
        resume_generator(self._rng, standing.rng)
        self._since = self.online.written, standing.updates
        self.publish()

    def _batches(self, *replays: Replay, shown: bool = False) -> Batches:
        plan, job = self.job.plan, self.job
        scale = scale_of(plan.features, len(job.spec.joints))
        made = Batches(replays, plan.sac, mirrors_of(plan), scale, demonstrated=[self.shown] if shown else [])
        made.rng = self._rng
        return made

    @property
    def due(self) -> int:
        """Updates that the steps so far call for, and that were not made yet."""
        plan, steps = self.job.plan, self.online.ready(self.job.plan.sac.steps)
        if steps < max(plan.random, plan.sac.batch) or not (self._imitated or self._begun()):
            return 0
        rows, updates = self._since
        return int(plan.ratio * (self.online.written - rows)) - (self.learner.updates - updates)

    def _begun(self) -> bool:
        """Imitate what was demonstrated, once there is enough of it."""
        plan = self.job.plan
        if self.shown.ready(plan.sac.steps) < plan.shown * self.job.spec.rate * 0.9:
            return False
        imitate(self.learner, self._batches(self.shown), plan.imitate, self.job.recorded)
        # Note: what was due during the demonstration is not made up for in one go.
        self._since = self.online.written, self.learner.updates
        self._imitated = True
        self.publish()
        return True

    def update(self) -> None:
        """One update."""
        shown = self.shown.ready(self.job.plan.sac.steps) >= self.job.plan.sac.batch
        self.learner.update(self._batches(self.online, shown=shown).draw(self.learner.updates))
        if self.learner.updates % PUBLISH == 0:
            self.publish()

    def publish(self) -> None:
        """Let the robot have the newest actor."""
        self.actor.publish(flattened(self.learner.arrays_of("actor")))

    def hear(self, note: Note) -> Said:
        """Draw curves, and publish the averaged actor if asked."""
        self.note = note
        names = ("critic_loss", "value", "actor_loss", "entropy", "temperature")
        curves = {f"learner/{name}": float(value) for name, value in zip(names, self.learner.figures, strict=True)}
        curves = {**note.scalars, **curves, "learner/updates": float(self.learner.updates)}
        self._curves.add(curves, note.steps, note.minutes)
        if note.average:
            self.average.publish(flattened(self.learner.arrays_of("average"), "average"))
        return Said(self.learner.updates)

    def keep(self) -> None:
        """Write checkpoint and policy file, once there is a policy. Raises PolicyError, and keeps the last ones,
        without room.
        """
        job, learner = self.job, self.learner
        if not self._imitated:
            return
        plan = msgspec.json.encode(job.plan).decode()
        counts = learner.updates, (self.note.steps,), 0
        state, precision = generator_state(self._rng), learner.config.precision
        standing = CheckpointInfo(job.spec.hash, plan, *counts, self.note.minutes, state, precision=precision)
        arrays = {f"learner.{name}": array for name, array in learner.arrays().items()}
        whole: Arrays = {**arrays, "luck": learner.luck_state()}
        save_checkpoint(job.folder / "checkpoint.safetensors", standing, whole, [self.online], [self.shown])
        self._export()

    def _export(self) -> None:
        job, plan = self.job, self.job.plan
        arrays = self.learner.arrays_of("average")
        actor = {name.removeprefix("average."): array for name, array in arrays.items()}
        box = tuple(np.tile(plan.box, len(job.spec.joints) // 3).tolist())
        manifest, weights = policy_of(actor, plan.sac, plan.features, job.spec, box)
        notes = {"seed": plan.seed, "robot_minutes": self.note.minutes, "steps": self.note.steps}
        manifest = replace(manifest, filter_hz=plan.filter_hz, calibration=job.calibration, training=notes)
        path = job.folder / "policy.safetensors"
        try:
            save_policy(path, manifest, weights)
        except OSError as error:
            raise PolicyError(f"cannot write {path}: {error.strerror}; make room and --resume") from None


def teach(job: Job, pipe: Connection) -> None:
    """Learn until told to end, or until something is wrong, which is said. The process for it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the parent, which then asks everybody to end
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    with Tutor(job) as tutor:
        tutor.learner.prepare()
        os.setpriority(os.PRIO_PROCESS, 0, LOWEST)
        pipe.send(Said(tutor.learner.updates))
        try:
            _teach(tutor, pipe)
            tutor.keep()
            pipe.send(Said(tutor.learner.updates, last=True))
        except LeashError as error:
            pipe.send(Said(tutor.learner.updates, str(error)))


def _teach(tutor: Tutor, pipe: Connection) -> None:
    kept = time.monotonic()
    while True:
        while pipe.poll():
            try:
                note = pipe.recv()
            except EOFError:
                return
            if note is None:
                return
            pipe.send(tutor.hear(note))
        if time.monotonic() - kept > tutor.job.plan.keep:
            tutor.keep()
            kept = time.monotonic()
        if tutor.due > 0:
            tutor.update()
        else:
            time.sleep(0.002)
