"""A simulator process: drives with the newest actor, remembers every step, and judges snapshots when asked."""

import itertools
import math
import signal
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path

import numpy as np

from launch.sac_demos import Demonstrator
from launch.sac_env import actor_of, explorer, open_env
from launch.sac_judge import Score, attempt
from launch.sac_plan import Demonstrations, SacPlan
from policies.gait import Trot
from policies.loading import load_policy
from policies.mailbox import Address, Mailbox
from policies.manifest import check_fits
from policies.replay import FINAL, RUNNING, TERMINATED, TRUNCATED, Place, Replay
from policies.sac_actor import Actor, Float32
from robot.errors import LeashError, PolicyError
from robot.spec import Spec
from robot.types import Policy
from sim.env import PupperEnv


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
    steps: int = 0
    """Steps that it took in an earlier part of the same training."""


@dataclass(frozen=True)
class Told:
    """What a collector says after each episode."""

    number: int
    steps: int
    """In all."""
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
        pipe.send(Told(job.number, 0, 0.0, 0.0, failed=str(error)))


def _collect(job: CollectJob, pipe: Connection) -> None:
    plan, rng = job.plan, np.random.default_rng([job.plan.seed, job.number, job.steps])
    env, replay = open_env(plan), Replay(job.replay)
    actor = actor_of(plan)
    newest, candidate = Mailbox(job.actor), Mailbox(job.candidate)
    driver, known, judged = Driver(env, replay, explorer(plan, actor, env.body), rng), 0, 0
    driver.steps = job.steps
    env.soften(softness(plan, driver.steps * job.of))
    if job.shown is not None:
        show(job, Demonstrator(env, teacher(plan.demonstrations, env.body)), newest, rng)
    while not pipe.poll():
        if asked := candidate.read(judged):
            judged = asked[0]
            pipe.send(Told(job.number, driver.steps, 0.0, 0.0, scores=(judged, judge(job, asked[1]))))
        env.soften(softness(plan, driver.steps * job.of))
        driver.begin(int(rng.integers(2**31)))
        total, count, over = 0.0, 0, False
        while not over:
            if found := newest.read(known):
                known = found[0]
                actor.adopt(found[1])
            early = driver.steps * job.of < plan.random and job.shown is None
            reward, over = driver.step(random=known == 0 or early)
            total, count = total + reward, count + 1
        pipe.send(Told(job.number, driver.steps, total / count, count * env.body.period))
    env.close()
    for part in (replay, newest, candidate):
        part.close()


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


def show(job: CollectJob, shower: Demonstrator, newest: Mailbox, rng: np.random.Generator) -> None:
    """Let somebody demonstrate, until there are enough steps and somebody has learned from them, in all rounds."""
    replay, demos, pupil, known = Replay(job.shown), job.plan.demonstrations, actor_of(job.plan), 0
    driver = Driver(shower.env, replay, shower, rng, lambda: {"wanted": shower.wanted})
    for number in itertools.count():
        if found := newest.read(known):
            known = found[0]
            pupil.adopt(found[1])
        shower.reset()
        shower.pupil = pupil if known and number % 2 else None
        driver.begin(int(rng.integers(2**31)))
        while not (over := driver.steps * job.of >= demos.steps and newest.version >= demos.rounds):
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
