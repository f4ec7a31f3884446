"""A training in one process: step, update, step, update; the same from the same seed, and resumed exactly.

For tests and comparisons: slower by the wall clock than free-running, but nothing depends on how busy the machine is.
"""

import itertools
import time
from collections import deque
from collections.abc import Sequence
from pathlib import Path
from typing import Self

import msgspec
import numpy as np
from msgspec.structs import replace

from leash_robot.launch.commands.train.demos import Recorded
from leash_robot.launch.reporting.output import console
from leash_robot.launch.rl.bar import TrainingBar
from leash_robot.launch.rl.collector import Driver, softness, teacher
from leash_robot.launch.rl.demos import Demonstrator, demonstrated, said
from leash_robot.launch.rl.env import actor_of, columns, explorer, mirrors, open_env, shown_columns, sizes
from leash_robot.launch.rl.evaluator import attempt
from leash_robot.launch.rl.plan import SacPlan
from leash_robot.launch.rl.snapshots import Gallery, Shot
from leash_robot.policies.rl.checkpoint import (
    Arrays,
    Checkpoint,
    Standing,
    generator_state,
    resume_generator,
    save_checkpoint,
)
from leash_robot.policies.rl.learner_process import imitate
from leash_robot.policies.rl.replay_buffer import Replay
from leash_robot.policies.rl.sac.batches import Batches
from leash_robot.policies.rl.sac.feature_scale import scale_of
from leash_robot.policies.rl.sac.numpy_actor import flattened
from leash_robot.policies.rl.sac.precision import settled
from leash_robot.policies.rl.sac.sac import Learner
from leash_robot.robot.spec import Spec


class Lockstep:
    """One training; use inside `with`."""

    def __init__(
        self,
        plan: SacPlan,
        spec: Spec,
        *,
        resume: Checkpoint | None = None,
        recorded: Recorded = None,
    ) -> None:
        plan = replace(plan, sac=settled(plan.sac, resume.standing.precision if resume else None))
        self.plan, self.spec = plan, spec
        self.env = open_env(plan)
        self.replay = Replay(capacity=plan.capacity, columns=columns(plan, spec))
        self.shown = Replay(capacity=plan.demonstrations.steps * 2 + 1000, columns=shown_columns(plan, spec))
        self.learner = Learner(plan.sac, sizes(plan, spec), seed=plan.seed, compiled=plan.compiled)
        demonstrated = [self.shown] if plan.demonstrations.steps else []
        share, mirror = plan.demonstrations.share, mirrors(plan)
        scale = scale_of(plan.features, len(spec.joints))
        self.batches = Batches(
            [self.replay], plan.sac, mirror, scale, seed=plan.seed, demonstrated=demonstrated, share=share
        )
        self.actor = actor_of(plan)
        self.rewards: deque[float] = deque(maxlen=20)
        self.steps, self.episodes = 0, 0
        self.before = resume.standing.minutes if resume else 0.0
        """Minutes of learning in earlier parts of the same training."""
        if resume is None:
            self._begin(demonstrated, recorded)
        else:
            self._resume(resume)
        self.actor.adopt(flattened(self.learner.arrays()))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.env.close()
        self.replay.close()
        self.shown.close()

    def _begin(self, demonstrated: Sequence[Replay], recorded: Recorded) -> None:
        demos = self.plan.demonstrations
        if not demonstrated:
            return
        shower = Demonstrator(self.env, teacher(demos, self.spec))
        rng = np.random.default_rng([self.plan.seed, 0])
        driver = Driver(self.env, self.shown, shower, rng, lambda: {"wanted": shower.wanted})
        batches = Batches(
            demonstrated, self.plan.sac, mirrors(self.plan), scale_of(self.plan.features, 12), seed=self.plan.seed
        )
        episodes = itertools.count()
        for number in range(1, demos.rounds + 1):
            while driver.steps < demos.steps * number / demos.rounds:
                self._show(driver, shower, next(episodes), taught=number > 1)
            imitate(self.learner, batches, demos.imitate // demos.rounds, recorded)
            self.actor.adopt(flattened(self.learner.arrays()))

    def _show(self, driver: Driver, shower: Demonstrator, number: int, *, taught: bool) -> None:
        """One demonstrated episode; the pupil drives every second one once it was taught."""
        shower.reset()
        shower.pupil = self.actor if taught and number % 2 else None
        driver.begin(_seed(self.plan.seed, 2, number))
        while not driver.step(random=False)[1]:
            pass

    def _resume(self, resume: Checkpoint) -> None:
        standing = resume.standing
        self.learner.adopt(resume.part("learner"))
        self.learner.updates = standing.updates
        self.learner.resume_luck(resume.arrays["luck"])
        resume_generator(self.batches.rng, standing.rng)
        self.env.curriculum.memory = resume.arrays.get("commands", np.empty((0, 4)))
        resume.refill("online", [self.replay])
        resume.refill("shown", [self.shown])
        self.steps, self.episodes = sum(standing.steps), standing.episodes

    def episode(self) -> None:
        """One episode, with its updates between the steps."""
        rng = np.random.default_rng([self.plan.seed, 1, self.episodes])
        driver = Driver(self.env, self.replay, explorer(self.plan, self.actor, self.spec), rng)
        self.env.soften(softness(self.plan, self.steps))
        driver.begin(_seed(self.plan.seed, 1, self.episodes))
        total, over = 0.0, False
        while not over:
            early = self.steps < self.plan.random and not self.shown.written
            reward, over = driver.step(random=early)
            self.steps += 1
            total += reward
            self._update()
        self.episodes += 1
        self.rewards.append(total / driver.steps)

    def _update(self) -> None:
        """As many updates as the steps so far call for."""
        if self.batches.ready() < max(self.plan.random, self.plan.sac.batch):
            return
        # Note: counted from the steps alone, so that a resumed training goes on with the same rhythm.
        due = int(self.steps * self.plan.ratio) - int((self.steps - 1) * self.plan.ratio)
        for _ in range(due):
            self.learner.update(self.batches.draw(self.learner.updates))
        if due:
            self.actor.adopt(flattened(self.learner.arrays_of("actor")))

    @property
    def demonstrated(self) -> dict[str, int]:
        """Demonstrated steps, and those left out of the actor's losses; empty where nothing was demonstrated."""
        return demonstrated([self.shown]) if self.plan.demonstrations.steps else {}

    def told(self) -> str:
        """How it goes, in a few words."""
        reward = f" · reward {np.mean(self.rewards):.2f}" if self.rewards else ""
        return f"{self.steps} steps{reward}"

    def judge(self, gallery: Gallery, minutes: float) -> None:
        """Score the averaged actor as it is now."""
        judging, arrays = self.plan.judging, self.learner.arrays_of("average")
        actor = actor_of(self.plan)
        actor.adopt(flattened(arrays, "average"))
        scores = attempt(self.plan, actor, range(judging.seed, judging.seed + judging.episodes), judging.seconds)
        average = {name.removeprefix("average."): array for name, array in arrays.items()}
        reward = float(np.mean(self.rewards)) if self.rewards else float("nan")
        shot = Shot(minutes, self.steps, self.learner.updates, average, self.learner.figures.copy(), reward)
        gallery.show(shot, scores)

    def keep(self, path: Path, minutes: float, best: float | None) -> None:
        """Write a checkpoint, from which everything goes on exactly. Call it between episodes."""
        plan, state = msgspec.json.encode(self.plan).decode(), generator_state(self.batches.rng)
        counts = self.learner.updates, (self.steps,), self.episodes
        standing = Standing(self.spec.hash, plan, *counts, minutes, state, best, self.plan.sac.precision)
        whole: Arrays = {f"learner.{name}": array for name, array in self.learner.arrays().items()}
        whole = {**whole, "luck": self.learner.luck_state(), "commands": self.env.curriculum.memory}
        save_checkpoint(path, standing, whole, [self.replay], [self.shown])


def run(training: Lockstep, gallery: Gallery, checkpoint: Path, bar: TrainingBar) -> float:
    """Train until the plan is fulfilled; returns the minutes of learning, those before a resumption included."""
    plan, learner, began = training.plan, training.learner, time.monotonic() - 60 * training.before
    judged = learner.updates
    if training.demonstrated:
        console.print(said(training.demonstrated), highlight=False, soft_wrap=True)
    while learner.updates < plan.updates and not (plan.stop and gallery.met):
        training.episode()
        minutes = (time.monotonic() - began) / 60
        if learner.updates - judged >= plan.judging.updates:
            training.judge(gallery, minutes)
            training.keep(checkpoint, minutes, gallery.best)
            judged = learner.updates
        bar.learned(learner.updates, minutes, training.told())
    minutes = (time.monotonic() - began) / 60
    if learner.updates > gallery.updates:
        training.judge(gallery, minutes)
    training.keep(checkpoint, minutes, gallery.best)
    return minutes


def _seed(*parts: int) -> int:
    """One number of several, for an episode."""
    return int(np.random.default_rng(parts).integers(2**31))
