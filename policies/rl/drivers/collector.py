"""Gathers experience in an environment, at the pace of the learner; the process for it also evaluates snapshots."""

import itertools
import math
import signal
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from multiprocessing.connection import Connection

import numpy as np

from leash_robot.policies.rl.algorithm import ExplorationPolicy, Float32
from leash_robot.policies.rl.progress import Counts, Pace, SharedProgress
from leash_robot.policies.rl.replay_buffer import FINAL, RUNNING, TERMINATED, TRUNCATED, ReplayBuffer, ReplaySlot
from leash_robot.policies.rl.task import Env, EpisodeScore, ExpertDemonstrator, TrainingTask, curriculum_of
from leash_robot.policies.rl.weight_channel import Address, WeightChannel
from leash_robot.robot.errors import LeashError, PolicyError

NOTHING = np.zeros(0, np.float32)


class StepRecorder:
    """Takes steps in one environment and remembers them."""

    def __init__(
        self,
        env: Env,
        replay: ReplayBuffer,
        actor: ExplorationPolicy,
        rng: np.random.Generator,
        more: Callable[[], Mapping[str, Float32]] = dict,
    ) -> None:
        """`more` gives further columns of the step that was just taken."""
        self.env, self.actor, self._more = env, actor, more
        self._replay, self._rng = replay, rng
        self._actions = replay.columns["action"].shape[1]
        self.steps = 0

    def begin(self, seed: int) -> None:
        """A new episode."""
        self._obs, info = self.env.reset(seed=seed)
        self._privileged = info.get("privileged", NOTHING)

    def step(self, *, random: bool) -> tuple[float, bool]:
        """One step; its reward, and whether the episode is over. Raises PolicyError for a reward that is no number."""
        action = self._random_action() if random else self.actor.sample(self._obs, self._rng)
        obs, reward, terminated, truncated, info = self.env.step(action)
        reward = float(reward)
        if not math.isfinite(reward):
            raise PolicyError(
                f"the reward of step {self.steps} is not finite ({_faulty(reward, info)}); nothing was learned from it"
            )
        end = TERMINATED if terminated else TRUNCATED if truncated else RUNNING
        row = {"obs": self._obs, "privileged": self._privileged, "action": action, "reward": reward}
        self._replay.add(**row, end=end, burst=0, **self._more())
        self._obs, self._privileged = obs, info.get("privileged", NOTHING)
        if end != RUNNING:
            self._replay.add(obs=obs, privileged=self._privileged, reward=0.0, end=FINAL, burst=0)
        self.steps += 1
        return reward, end != RUNNING

    def _random_action(self) -> Float32:
        return self._rng.uniform(-1, 1, (self._actions,)).astype(np.float32)


def _faulty(reward: float, info: Mapping[str, Mapping[str, float]]) -> str:
    """Names and values of the terms that are no numbers."""
    terms = info.get("terms", {"reward": reward})
    return ", ".join(f"{name} {value}" for name, value in terms.items() if not math.isfinite(value))


def note_progress(env: Env, steps: int) -> None:
    """Let the environment's curriculum, if it has one, know how many steps the training took."""
    if (curriculum := curriculum_of(env)) is not None:
        curriculum.training_progress(steps)


@dataclass(frozen=True, eq=False)
class CollectorJob:
    """What a collector needs to know."""

    task: TrainingTask
    number: int
    """Which collector it is, from 0."""
    collectors: int
    """How many there are."""
    replay: ReplaySlot
    actor: Address
    """Where the newest actor is."""
    demonstrated: ReplaySlot | None
    """Where demonstrations go."""
    average: Address
    """Where a snapshot lies when it is to be evaluated."""
    progress: Counts
    """Where the counts of the training lie."""
    pace: Pace


@dataclass(frozen=True)
class CollectorMessage:
    """From a collector, after each episode."""

    number: int
    reward: float = 0.0
    """Mean of a step."""
    steps: int = 0
    """Length of the episode."""
    scores: tuple[int, tuple[EpisodeScore, ...]] | None = None
    """Version and scores of a snapshot that was evaluated."""
    failed: str = ""
    """Why it ends, if it must."""


def collect(job: CollectorJob, pipe: Connection) -> None:
    """Run episode after episode until told to end, or until something is wrong, which is told."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the parent, which then ends its children
    try:
        collector = Collector(job, pipe)
        try:
            if job.demonstrated is not None:
                collector.demonstrate()
            while not pipe.poll():
                collector.episode()
        finally:
            collector.close()
    except LeashError as error:
        pipe.send(CollectorMessage(job.number, failed=str(error)))


class Collector:
    """Runs episodes in a world of its own."""

    def __init__(self, job: CollectorJob, pipe: Connection) -> None:
        task = job.task
        self._job, self._pipe = job, pipe
        self._rng = np.random.default_rng([task.config.seed, job.number, job.pace.steps])
        self._env, self._replay = task.make_env(), ReplayBuffer(job.replay)
        self._actor = task.factory.actor()
        self._newest, self._average = WeightChannel(job.actor), WeightChannel(job.average)
        self._progress = SharedProgress(job.progress)
        self._recorder = StepRecorder(self._env, self._replay, task.explore(self._actor), self._rng)
        self._known, self._evaluated = 0, 0

    def close(self) -> None:
        """Free the world and let go of the memory."""
        self._env.close()
        for part in (self._replay, self._newest, self._average, self._progress):
            part.close()

    def demonstrate(self) -> None:
        """Let the expert demonstrate, until there are enough steps and the learner has cloned them, in all rounds."""
        job, demos = self._job, self._job.task.config.demonstrations
        note_progress(self._env, self._progress.steps)
        expert = job.task.demonstrate(self._env)
        with ReplayBuffer(job.demonstrated) as replay:
            recorder = demonstration_recorder(self._env, replay, expert, self._rng)

            def over() -> bool:
                enough = recorder.steps * job.collectors >= demos.steps
                return self._pipe.poll() or (enough and self._newest.version >= demos.rounds)

            for number in itertools.count():
                self._adopt()
                expert.reset()
                expert.learner = self._actor if self._known and number % 2 else None
                recorder.begin(int(self._rng.integers(2**31)))
                while not over():
                    if recorder.step(random=False)[1]:
                        break
                if over():
                    return

    def episode(self) -> None:
        """One episode; an end that is requested in the middle of it leaves the rest out."""
        note_progress(self._env, self._progress.steps)
        self._recorder.begin(int(self._rng.integers(2**31)))
        total, count, over = 0.0, 0, False
        while not over:
            if not self._wait_for_learner():
                return
            self._adopt()
            reward, over = self._recorder.step(random=self._random)
            self._progress.stepped(self._job.number)
            total, count = total + reward, count + 1
        self._pipe.send(CollectorMessage(self._job.number, total / count, count))

    @property
    def _random(self) -> bool:
        """Whether the training, by all collectors, is still in its random steps, or has no actor yet."""
        job = self._job
        return self._known == 0 or (self._progress.steps < job.task.config.random and job.demonstrated is None)

    def _wait_for_learner(self) -> bool:
        """Wait until the learner is near enough for another step, evaluate meanwhile; False when it is time to end."""
        self._evaluate()
        while not self._job.pace.may_step(self._progress):
            if self._pipe.poll():
                return False
            time.sleep(0.002)
            self._evaluate()
        return True

    def _adopt(self) -> None:
        if found := self._newest.read(self._known):
            self._known = found[0]
            self._actor.adopt(found[1])

    def _evaluate(self) -> None:
        """Run this collector's part of the episodes for the snapshot that lies there, if it is a new one."""
        if found := self._average.read(self._evaluated):
            self._evaluated = found[0]
            task, judging = self._job.task, self._job.task.config.judging
            actor = task.factory.actor()
            actor.adopt(found[1])
            numbers = range(self._job.number, judging.episodes, self._job.collectors)
            scores = task.evaluate(actor, [judging.seed + number for number in numbers])
            self._pipe.send(CollectorMessage(self._job.number, scores=(self._evaluated, scores)))


def demonstration_recorder(
    env: Env, replay: ReplayBuffer, expert: ExpertDemonstrator, rng: np.random.Generator
) -> StepRecorder:
    """Records what the expert does, and what it would have done."""
    return StepRecorder(env, replay, expert, rng, lambda: {"wanted": expert.wanted})
