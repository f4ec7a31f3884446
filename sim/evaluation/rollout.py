"""One episode of a held-out evaluation: the sampled machine stands up, follows its command and is pushed about."""

import math
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, Self

import numpy as np

from leash_robot.robot.errors import PolicyError, RobotError
from leash_robot.robot.locomotion.velocity_command import Command, ConstantCommand
from leash_robot.robot.spec import Spec
from leash_robot.robot.types import Array, Policy, Tick
from leash_robot.sim.envs.tracking import SETTLE, Tracking, smoothed
from leash_robot.sim.evaluation.engines import SampledRobot, open_sample
from leash_robot.sim.evaluation.episode import EpisodeLength, run_episode
from leash_robot.sim.evaluation.episode_scorer import EpisodeScorer
from leash_robot.sim.evaluation.result import Engine, EpisodeResult
from leash_robot.sim.evaluation.samples import CommandRanges, RandomizationSample, axes, draw_sample
from leash_robot.sim.pybullet.urdf import ABDUCTION, BODY, SHANK, THIGH
from leash_robot.sim.randomization.dynamics import Dynamics
from leash_robot.sim.randomization.sampling import Ranges

GRAVITY = 9.81
MASS = BODY.mass + 4 * (ABDUCTION.mass + THIGH.mass + SHANK.mass)
"""Of the nominal machine [kg]."""


@dataclass(frozen=True, eq=False)
class EvaluatedPolicy:
    """A policy in this process, ready for an evaluation."""

    policy: Policy
    needs_imu: bool = False
    action_scale: Array | None = None
    """(n,) half-range of its own action box [rad]; None for a policy without one."""


PolicyFactory = Callable[[Spec], EvaluatedPolicy]
"""Makes the policy for a body, in any process: it must be picklable. Raises PolicyError where it does not fit."""


@dataclass(frozen=True)
class HeldOutTask:
    """What every episode of an evaluation has in common."""

    policy: PolicyFactory
    spec: Spec
    ranges: Ranges
    commands: CommandRanges
    seed: int
    seconds: float
    command: Command | None = None
    """The same in every episode, if given."""

    def sample(self, index: int) -> RandomizationSample:
        """The sample of this number."""
        drawn = draw_sample(self.ranges, self.commands, self.seed, index)
        return drawn if self.command is None else drawn._replace(command=self.command)


def roll_out_samples(task: HeldOutTask, engine: Engine, indices: list[int]) -> list[EpisodeResult]:
    """One episode for each of these samples; runs in any process."""
    evaluated = task.policy(task.spec)
    results = []
    for index in indices:
        sample = task.sample(index)
        opener = open_sample(engine, sample, task.spec, needs_imu=evaluated.needs_imu)
        results.append(roll_out(task, engine, sample, evaluated, opener))
    return results


def roll_out(
    task: HeldOutTask,
    engine: Engine,
    sample: RandomizationSample,
    evaluated: EvaluatedPolicy,
    opener: AbstractContextManager[SampledRobot],
) -> EpisodeResult:
    """One episode from the stand pose, for the task's time or until the robot falls or is stopped.

    A robot that cannot stand up, and a policy that fails, are a failed episode.
    """
    with opener as robot:
        try:
            return _episode(task, engine, sample, evaluated, robot)
        except (RobotError, PolicyError) as error:
            return _failed_start(task, engine, sample, str(error))


def _episode(
    task: HeldOutTask, engine: Engine, sample: RandomizationSample, evaluated: EvaluatedPolicy, robot: SampledRobot
) -> EpisodeResult:
    rate = task.spec.rate
    pushes, meter = RandomPushes(robot.push, sample, task.spec.period), EnergyMeter(robot.work)
    policy = ConstantCommand(evaluated.policy, sample.command)
    score, scorer = run_episode(robot, policy, EpisodeLength(task.seconds, SETTLE), pushes, meter)
    error = Tracking(score["speed_error"], score["yaw_error"])
    up, scale = bool(score["no_fall"]), evaluated.action_scale
    return EpisodeResult(
        **_common(task, engine, sample),
        reached=(score["speed"], score["side_speed"], score["yaw_rate"]),
        no_fall=up,
        success=up and error.good,
        speed_error=error.planar,
        yaw_error=error.turning,
        speed_rmse=score["speed_rmse"],
        action_rate=score["action_rate"],
        seconds=score["seconds"],
        work=None if math.isnan(meter.work) else meter.work,
        metres=metres(scorer, rate),
        why=robot.stopped(),
        own_action_rate=None if scale is None else float((scorer.change(SETTLE) / scale).mean()),
    )


def _failed_start(task: HeldOutTask, engine: Engine, sample: RandomizationSample, why: str) -> EpisodeResult:
    """The result of a robot that did not stand up: as if it had stood still, and fallen."""
    still = Tracking(math.hypot(*sample.command[:2]), abs(sample.command[2]))
    return EpisodeResult(
        **_common(task, engine, sample),
        reached=(0.0, 0.0, 0.0),
        no_fall=False,
        success=False,
        speed_error=still.planar,
        yaw_error=still.turning,
        speed_rmse=still.planar,
        action_rate=0.0,
        seconds=0.0,
        work=None,
        metres=0.0,
        why=why,
    )


def _common(task: HeldOutTask, engine: Engine, sample: RandomizationSample) -> dict[str, Any]:
    """What a result says whatever happened."""
    return {
        "engine": engine,
        "draw": sample.number,
        "axes": axes(sample, task.ranges),
        "command": sample.command,
        "weight": weight(sample.dynamics),
    }


def weight(dynamics: Dynamics) -> float:
    """Of a machine with its payload [N]."""
    return GRAVITY * (MASS * dynamics.mass + dynamics.payload)


def metres(scorer: EpisodeScorer, rate: float) -> float:
    """How far the body went over the ground, its sway left out [m]."""
    velocity: Array = smoothed(scorer.velocity, rate)
    return float(np.hypot(velocity[:, 0], velocity[:, 1]).mean()) * len(scorer.truths) / rate


class EnergyMeter:
    """Fits `Log`: the work done since the first tick."""

    def __init__(self, work: Callable[[], float]) -> None:
        self._work = work
        self._begin = math.nan
        self.work = math.nan
        """[J]"""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        return None

    def add(self, tick: Tick) -> None:
        """Read the meter."""
        now = self._work()
        self._begin = now if math.isnan(self._begin) else self._begin
        self.work = now - self._begin


class RandomPushes:
    """Fits `Log`: pushes the robot at random ticks, in random directions, alike on every engine."""

    def __init__(self, push: Callable[[Array], None], sample: RandomizationSample, period: float) -> None:
        self._push = push
        self._speed = sample.push_speed
        self._probability = period / sample.push_interval
        self._calm_ticks = round(SETTLE / period)
        self._rng = np.random.default_rng([sample.seed, 0x5407E])

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        return None

    def add(self, tick: Tick) -> None:
        """Let one tick pass."""
        self._calm_ticks -= 1
        chance, angle = self._rng.random(), self._rng.uniform(0.0, math.tau)
        if self._speed > 0.0 and self._calm_ticks < 0 and chance < self._probability:
            self._push(self._speed * np.array([math.cos(angle), math.sin(angle), 0.0]))
