"""A simulator process: drives with the newest actor, remembers every step, and judges snapshots when asked."""

import itertools
import math
import signal
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path

import numpy as np

from leash_robot.launch.rl.demos import Demonstrator
from leash_robot.launch.rl.env import actor_of, explorer, open_env
from leash_robot.launch.rl.evaluator import Score, attempt
from leash_robot.launch.rl.plan import Demonstrations, SacPlan
from leash_robot.policies.manifest import check_fits
from leash_robot.policies.registry import load_policy
from leash_robot.policies.rl.progress import Counts, Pace, SharedProgress
from leash_robot.policies.rl.replay_buffer import FINAL, RUNNING, TERMINATED, TRUNCATED, Place, Replay
from leash_robot.policies.rl.sac.numpy_actor import Actor, Float32
from leash_robot.policies.rl.weight_channel import Address, WeightChannel
from leash_robot.policies.scripted.gait import Trot
from leash_robot.robot.errors import LeashError, PolicyError
from leash_robot.robot.spec import Spec
from leash_robot.robot.types import Policy
from leash_robot.sim.envs.walk import PupperEnv


@dataclass(frozen=True)
class CollectJob:
    """What a collector needs to know."""

    plan: SacPlan
    number: int
    """Which collector it is, from 0."""
    of: int
    """How many there are."""
    replay: Place
    actor: Address
    """Where the newest actor is."""
    shown: Place | None
    """Where demonstrations go."""
    candidate: Address
    """Where a snapshot lies when it is to be judged."""
    progress: Counts
    """Where the counts of the training lie."""
    pace: Pace


@dataclass(frozen=True)
class Told:
    """What a collector says after each episode."""

    number: int
    reward: float
    """Mean of a step."""
    seconds: float
    """How long the episode lasted."""
    scores: tuple[int, tuple[Score, ...]] | None = None
    """Version and scores of a snapshot that was judged."""
    failed: str = ""
    """Why it ends, if it must."""


class Driver:
    """Takes steps in one environment and remembers them."""

    def __init__(
        self,
        env: PupperEnv,
        replay: Replay,
        actor: Actor,
        rng: np.random.Generator,
        beside: Callable[[], Mapping[str, Float32]] = dict,
    ) -> None:
        """`beside` gives further columns of the step that was just taken."""
        self.env, self.actor, self._beside = env, actor, beside
        self._replay, self._rng = replay, rng
        self.steps = 0

    def begin(self, seed: int) -> None:
        """A new episode."""
        self._obs, self._info = self.env.reset(seed=seed)

    def step(self, *, random: bool) -> tuple[float, bool]:
        """One step; its reward, and whether the episode is over. Raises PolicyError for a reward that is no number."""
        action: Float32 = (
            self._rng.uniform(-1, 1, 12).astype(np.float32) if random else self.actor.sample(self._obs, self._rng)
        )
        obs, reward, terminated, truncated, info = self.env.step(action)
        if not math.isfinite(reward):
            terms = ", ".join(f"{name} {value}" for name, value in info["terms"].items() if not math.isfinite(value))
            raise PolicyError(f"the reward of step {self.steps} is not finite ({terms}); nothing was learned from it")
        end = TERMINATED if terminated else TRUNCATED if truncated else RUNNING
        privileged = self._info["privileged"]
        rest = self._beside()
        self._replay.add(obs=self._obs, privileged=privileged, action=action, reward=reward, end=end, burst=0, **rest)
        if end != RUNNING:
            self._replay.add(obs=obs, privileged=info["privileged"], reward=0.0, end=FINAL, burst=0)
        self._obs, self._info = obs, info
        self.steps += 1
        return reward, end != RUNNING


def collect(job: CollectJob, pipe: Connection) -> None:
    """Drive episode after episode until told to end, or until something is wrong, which is said."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the parent, which then asks everybody to end
    try:
        _collect(job, pipe)
    except LeashError as error:
        pipe.send(Told(job.number, 0.0, 0.0, failed=str(error)))


def _collect(job: CollectJob, pipe: Connection) -> None:
    collector = Collector(job, pipe)
    try:
        if job.shown is not None:
            collector.show()
        while not pipe.poll():
            collector.episode()
    finally:
        collector.close()


class Collector:
    """Drives episodes in a world of its own, at the pace of the learner."""

    def __init__(self, job: CollectJob, pipe: Connection) -> None:
        plan = job.plan
        self._job, self._pipe = job, pipe
        self._rng = np.random.default_rng([plan.seed, job.number, job.pace.steps])
        self._env, self._replay = open_env(plan), Replay(job.replay)
        self._actor = actor_of(plan)
        self._newest, self._candidate = WeightChannel(job.actor), WeightChannel(job.candidate)
        self._progress = SharedProgress(job.progress)
        self._driver = Driver(self._env, self._replay, explorer(plan, self._actor, self._env.body), self._rng)
        self._known, self._judged = 0, 0

    def close(self) -> None:
        """Free the world and let go of the memory."""
        self._env.close()
        for part in (self._replay, self._newest, self._candidate, self._progress):
            part.close()

    def show(self) -> None:
        """Let the teacher demonstrate."""
        plan = self._job.plan
        self._env.soften(softness(plan, self._progress.steps))
        shower = Demonstrator(self._env, teacher(plan.demonstrations, self._env.body))
        show(self._job, shower, self._newest, self._rng, self._pipe)

    def episode(self) -> None:
        """One episode. An end that is called for in the middle of it leaves the rest out."""
        self._env.soften(softness(self._job.plan, self._progress.steps))
        self._driver.begin(int(self._rng.integers(2**31)))
        total, count, over = 0.0, 0, False
        while not over:
            if not self._waited():
                return
            self._adopt()
            reward, over = self._driver.step(random=self._random)
            self._progress.stepped(self._job.number)
            total, count = total + reward, count + 1
        self._pipe.send(Told(self._job.number, total / count, count * self._env.body.period))

    @property
    def _random(self) -> bool:
        """Whether the training, by all collectors, is still in its random steps, or has no actor yet."""
        job = self._job
        return self._known == 0 or (self._progress.steps < job.plan.random and job.shown is None)

    def _waited(self) -> bool:
        """Wait until the learner is near enough for another step, and judge if asked; False when it is time to end."""
        self._judge()
        while not self._job.pace.may_step(self._progress):
            if self._pipe.poll():
                return False
            time.sleep(0.002)
            self._judge()
        return True

    def _adopt(self) -> None:
        if found := self._newest.read(self._known):
            self._known = found[0]
            self._actor.adopt(found[1])

    def _judge(self) -> None:
        """Score the snapshot that lies there, if it is a new one."""
        if asked := self._candidate.read(self._judged):
            self._judged = asked[0]
            scores = judge(self._job, asked[1])
            self._pipe.send(Told(self._job.number, 0.0, 0.0, scores=(self._judged, scores)))


def softness(plan: SacPlan, steps: int) -> float:
    """Part of the penalties that counts after so many steps, 0..1."""
    return 1.0 if plan.ramp == 0 else min(1.0, steps / plan.ramp)


def teacher(demonstrations: Demonstrations, spec: Spec) -> Policy:
    """The trot, or the policy in a file. Raises PolicyError when it does not fit the robot."""
    if demonstrations.teacher == "trot":
        return Trot(spec, demonstrations.trot)
    manifest, make = load_policy(Path(demonstrations.teacher))
    check_fits(manifest, spec)
    return make()


def show(
    job: CollectJob, shower: Demonstrator, newest: WeightChannel, rng: np.random.Generator, pipe: Connection
) -> None:
    """Let the teacher demonstrate, until there are enough steps and the learner has imitated them, in all rounds."""
    replay, demos, pupil, known = Replay(job.shown), job.plan.demonstrations, actor_of(job.plan), 0
    driver = Driver(shower.env, replay, shower, rng, lambda: {"wanted": shower.wanted})
    for number in itertools.count():
        if found := newest.read(known):
            known = found[0]
            pupil.adopt(found[1])
        shower.reset()
        shower.pupil = pupil if known and number % 2 else None
        driver.begin(int(rng.integers(2**31)))
        while not (over := pipe.poll() or (driver.steps * job.of >= demos.steps and newest.version >= demos.rounds)):
            if driver.step(random=False)[1]:
                break
        if over:
            break
    replay.close()


def judge(job: CollectJob, weights: Float32) -> tuple[Score, ...]:
    """Of the held-out episodes, those that fall to this collector."""
    actor = actor_of(job.plan)
    actor.adopt(weights)
    judging = job.plan.judging
    numbers = range(job.number, judging.episodes, job.of)
    return attempt(job.plan, actor, [judging.seed + number for number in numbers], judging.seconds)
