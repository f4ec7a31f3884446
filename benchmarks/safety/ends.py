"""`leash bench ends`: what becomes of a walking robot when its session ends as planned, on many drawn machines.

Driver, gate, wire bytes and twin run in virtual time, so a result depends on the seed alone.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
import numpy as np

from leash_robot.launch.composition.policies import local_policy
from leash_robot.launch.options.tables import table
from leash_robot.robot.bodies.pupper.driver import Pupper
from leash_robot.robot.errors import RobotError
from leash_robot.robot.fake import NoLog
from leash_robot.robot.host.worker_pool import WorkerPool
from leash_robot.robot.locomotion.velocity_command import ConstantCommand
from leash_robot.robot.loop import run
from leash_robot.robot.spec import load_spec
from leash_robot.robot.types import Policy
from leash_robot.sim.evaluation.samples import CommandRanges, RandomizationSample, draw_sample
from leash_robot.sim.randomization.twin_counterpart import counterpart
from leash_robot.sim.twin.machine import Twin
from leash_robot.sim.twin.virtual_time import lockstep

WATCHED = 5.0
"""How long the robot is watched after the end has returned [s]."""
TIPPED_DEG = 30.0
"""About where a standing robot's centre of mass leaves its feet: atan(0.085 m / 0.15 m) [deg]."""
FLAT_DEG = 15.0
"""A robot that lies tilts by less, legs under its body included [deg]."""
LYING_HEIGHT = 0.08
"""Half the standing height: a robot that lies has its body below it [m]."""
STILL = 0.02
"""Speed below which a body is at rest [m/s]."""


class PlannedEnd(msgspec.Struct, frozen=True):
    """How one session ended."""

    machine: int
    walked: bool
    """Whether the robot still walked, upright, when the end began; otherwise nothing is said of its end."""
    lying: bool
    """Whether it lies flat on its belly, at rest, `WATCHED` seconds later."""
    tilt_max_deg: float
    """Largest tilt from the moment the end began [deg]."""
    tilt_end_deg: float
    """Against the floor, at the end [deg]."""
    height_end: float
    """Of the body frame above the floor [m]."""
    why: str = ""
    """What went wrong before the end."""

    @property
    def tipped(self) -> bool:
        """Whether it tilted further than any way of lying down does."""
        return self.tilt_max_deg > TIPPED_DEG


@dataclass(frozen=True)
class EndsTask:
    """What all sessions have in common."""

    policy: str
    """`trot`, or a policy file."""
    table: str
    """Ranges that the machines are drawn from."""
    seed: int
    """Draws machines, commands and the instants at which the sessions end."""
    seconds: float
    """How long each robot walks at least; up to a second more, so that ends come in every phase of the gait."""

    def sample(self, index: int) -> RandomizationSample:
        """The machine of this number."""
        return draw_sample(table(self.table), CommandRanges(), self.seed, index)


def measure(task: EndsTask, machines: int, workers: int) -> dict[str, Any]:
    """End the sessions of so many machines and count how they went."""
    local_policy(task.policy, load_spec())  # a policy that cannot walk here is refused at once
    with WorkerPool(workers) as pool:
        endings = list(pool.each(ended, [(task, index) for index in range(machines)]))
    return figures(sorted(endings, key=lambda one: one.machine))


def figures(endings: Sequence[PlannedEnd]) -> dict[str, Any]:
    """The counts, and which machines did not end well."""
    walked = [one for one in endings if one.walked]
    return {
        "machines": len(endings),
        "walked": len(walked),
        "lying": sum(one.lying for one in walked),
        "tipped": sum(one.tipped for one in walked),
        "tilt_max_deg": max((one.tilt_max_deg for one in walked), default=float("nan")),
        "tilt_end_max_deg": max((one.tilt_end_deg for one in walked), default=float("nan")),
        "bad": [msgspec.to_builtins(one) for one in endings if not one.walked or not one.lying or one.tipped],
    }


def ended(task: EndsTask, index: int) -> PlannedEnd:
    """Walk on one machine and end the session; runs in a process of its own."""
    spec, drawn = load_spec(), task.sample(index)
    policy, needs_imu = local_policy(task.policy, spec)
    twin = WatchedTwin(counterpart(drawn.dynamics), seed=drawn.seed)
    robot = lockstep(spec, twin, needs_imu=needs_imu)
    ticks = round(np.random.default_rng([task.seed, index, 0xE2D]).uniform(task.seconds, task.seconds + 1) * spec.rate)
    try:
        walked = end_session(robot, ConstantCommand(policy, drawn.command), ticks, twin.watch)
    except RobotError as error:
        return PlannedEnd(index, False, False, twin.tilt_max_deg, np.nan, np.nan, str(error))
    twin.advance(round(1e3 * WATCHED))
    return seen(index, twin, walked=walked)


def end_session(robot: Pupper, policy: Policy, ticks: int, ending: Callable[[], None]) -> bool:
    """Walk for so many ticks, then end as planned; whether it walked to the end.

    `ending` is called when the end begins.
    """
    with robot:
        robot.reset()
        ran = run(robot, policy, NoLog(), ticks=ticks, done=lambda tick: tick.sent.source == "safety")
        ending()
    return ran == ticks


def seen(index: int, twin: "WatchedTwin", *, walked: bool) -> PlannedEnd:
    """How the robot is now, and how far it tilted since the end began."""
    truth, tilt = twin.truth(), twin.tilt_deg
    still = float(np.linalg.norm(truth.velocity)) < STILL
    lying = tilt < FLAT_DEG and truth.height < LYING_HEIGHT + twin.dynamics.bumps and still
    return PlannedEnd(index, walked and twin.upright, lying, twin.tilt_max_deg, tilt, truth.height)


class WatchedTwin(Twin):
    """A twin whose tilt is noted at every millisecond from `watch` on."""

    watched = False
    upright = False
    """Whether it had not fallen when the watch began."""
    tilt_max_deg = 0.0

    def watch(self) -> None:
        """Note tilts from now on."""
        self.watched, self.upright = True, not self.truth().fallen

    def advance(self, ms: int) -> None:
        """Let this much time pass [ms]."""
        if not self.watched:
            super().advance(ms)
            return
        for _ in range(ms):
            super().advance(1)
            self.tilt_max_deg = max(self.tilt_max_deg, self.tilt_deg)

    @property
    def tilt_deg(self) -> float:
        """Angle between the body's up and the floor's normal, now [deg]."""
        _, x, y, _ = self.body.data.qpos[3:7].tolist()
        return math.degrees(math.acos(max(-1.0, 1.0 - 2.0 * (x * x + y * y))))
