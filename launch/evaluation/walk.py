"""One draw of a grid, walked: the machine is stood up, told where to go, pushed about, and judged from the truth."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np

from leash_robot.launch.composition.policies import SCRIPTED, local_policy
from leash_robot.launch.evaluation.cases import Case, axes, case
from leash_robot.launch.evaluation.episodes import Trial, scored_episode
from leash_robot.launch.evaluation.ground import Ground, ground
from leash_robot.launch.evaluation.options import Commands
from leash_robot.launch.evaluation.result import Engine, Result
from leash_robot.policies.policy_file import read_manifest
from leash_robot.robot.errors import PolicyError, RobotError
from leash_robot.robot.spec import load_spec
from leash_robot.robot.types import Array, Policy, Tick
from leash_robot.robot.velocity_command import Command, ConstantCommand
from leash_robot.sim.envs.tracking import SETTLE, Tracking, smoothed
from leash_robot.sim.evaluation.episode_scorer import EpisodeScorer
from leash_robot.sim.pybullet.urdf import ABDUCTION, BODY, SHANK, THIGH
from leash_robot.sim.randomization.dynamics import Dynamics
from leash_robot.sim.randomization.sampling import Ranges

GRAVITY = 9.81
MASS = BODY.mass + 4 * (ABDUCTION.mass + THIGH.mass + SHANK.mass)
"""Of the nominal machine [kg]."""


@dataclass(frozen=True)
class Task:
    """What every draw of an evaluation has in common."""

    policy: str
    ranges: Ranges
    commands: Commands
    seed: int
    seconds: float
    command: Command | None = None
    """The same in every draw, if given."""

    def case(self, index: int) -> Case:
        """The draw of this number."""
        drawn = case(self.ranges, self.commands, self.seed, index)
        return drawn if self.command is None else drawn._replace(command=self.command)


def attempt(task: Task, engine: Engine, indices: list[int]) -> list[Result]:
    """Walk some draws; runs in a process of its own."""
    policy, needs_imu = local_policy(task.policy, load_spec())
    return [walk(task, engine, task.case(index), policy, needs_imu=needs_imu) for index in indices]


def box_of(policy: str) -> Array | None:
    """(n,) half-range of a policy file's action box [rad]; a scripted gait has none."""
    box = () if policy in SCRIPTED else read_manifest(Path(policy)).box
    return np.array(box) if box else None


def walk(task: Task, engine: Engine, drawn: Case, policy: Policy, *, needs_imu: bool) -> Result:
    """Walk one draw from the stand pose, for the task's time or until it falls or is stopped."""
    with ground(engine, drawn, needs_imu=needs_imu) as place:
        shover = Shover(place.shove, drawn, place.opened.spec.period)
        try:
            return _walked(task, engine, drawn, place, ConstantCommand(policy, drawn.command), shover)
        except (RobotError, PolicyError) as error:
            return _never_walked(task, engine, drawn, str(error))


def _walked(task: Task, engine: Engine, drawn: Case, place: Ground, policy: Policy, shover: "Shover") -> Result:
    simulator = place.opened.simulator
    if simulator is None:
        raise RobotError("nothing tells the truth about this robot")
    meter = Meter(place.work)
    trial = Trial(1, task.seconds, SETTLE)
    score, scorer = scored_episode(place.opened, simulator, policy, trial, shover, meter)
    follows = Tracking(score["speed_error"], score["yaw_error"])
    up, box = bool(score["no_fall"]), box_of(task.policy)
    return Result(
        engine=engine,
        draw=drawn.number,
        axes=axes(drawn, task.ranges),
        command=drawn.command,
        reached=(score["speed"], score["side_speed"], score["yaw_rate"]),
        no_fall=up,
        success=up and follows.good,
        speed_error=follows.planar,
        yaw_error=follows.turning,
        speed_rmse=score["speed_rmse"],
        action_rate=score["action_rate"],
        seconds=score["seconds"],
        work=None if math.isnan(meter.work) else meter.work,
        metres=metres(scorer, place.opened.spec.rate),
        weight=weight(drawn.dynamics),
        why=place.opened.stopped(),
        own_action_rate=None if box is None else float((scorer.change(SETTLE) / box).mean()),
    )


def _never_walked(task: Task, engine: Engine, drawn: Case, why: str) -> Result:
    """The result of a robot that did not even stand up: as if it had stood still, and fallen."""
    still = Tracking(math.hypot(*drawn.command[:2]), abs(drawn.command[2]))
    return Result(
        engine=engine,
        draw=drawn.number,
        axes=axes(drawn, task.ranges),
        command=drawn.command,
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
        weight=weight(drawn.dynamics),
        why=why,
    )


def weight(dynamics: Dynamics) -> float:
    """Of a machine with its payload [N]."""
    return GRAVITY * (MASS * dynamics.mass + dynamics.payload)


def metres(scorer: EpisodeScorer, rate: float) -> float:
    """How far the body went over the ground, its sway left out [m]."""
    velocity: Array = smoothed(scorer.velocity, rate)
    return float(np.hypot(velocity[:, 0], velocity[:, 1]).mean()) * len(scorer.truths) / rate


class Meter:
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


class Shover:
    """Fits `Log`: pushes the robot at random ticks, in random directions, alike on every engine."""

    def __init__(self, shove: Callable[[Array], None], drawn: Case, period: float) -> None:
        self._shove = shove
        self._speed = drawn.push_speed
        self._chance = period / drawn.push_interval
        self._calm = round(SETTLE / period)
        self._rng = np.random.default_rng([drawn.seed, 0x5407E])

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        return None

    def add(self, tick: Tick) -> None:
        """Let one tick pass."""
        self._calm -= 1
        lot, angle = self._rng.random(), self._rng.uniform(0.0, math.tau)
        if self._speed > 0.0 and self._calm < 0 and lot < self._chance:
            self._shove(self._speed * np.array([math.cos(angle), math.sin(angle), 0.0]))
