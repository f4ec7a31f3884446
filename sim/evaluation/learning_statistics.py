"""Counts what happens while a robot learns: lateness, speed, falls."""

import math
from collections import deque
from collections.abc import Callable
from typing import Protocol, Self

import numpy as np

from leash_robot.robot.lateness import Lateness
from leash_robot.robot.types import Array, Tick
from leash_robot.sim.envs.tracking import tracking
from leash_robot.sim.ground_truth import GroundTruth

LATE = 0.025
"""A tick that begins later than this is late [s]; half a period."""


class ActsAndLearns(Protocol):
    """What is learned from at a tick."""

    reward: float
    command: Array

    @property
    def velocity(self) -> Array:
        """(3,) as the reward knows it [m/s]."""
        ...


class MotionStatistics:
    """How a robot moved under its commands, by one way of knowing its velocity."""

    def __init__(self, period: float) -> None:
        self._period = period
        self.speeds: deque[float] = deque(maxlen=400)
        """Forward, of the latest ticks [m/s]."""
        self.moved: list[tuple[Array, Array]] = []
        """Velocity and command (3,) of each tick since `restart`."""
        self.reached = math.nan
        """Robot minutes until the mean of 20 s first was 0.3 m/s."""

    def add(self, velocity: Array, command: Array, minutes: float) -> None:
        """Note one tick."""
        self.moved.append((velocity, command))
        self.speeds.append(float(velocity[0]))
        if math.isnan(self.reached) and len(self.speeds) == 400 and np.mean(self.speeds) >= 0.3:
            self.reached = minutes

    def figures(self) -> dict[str, float]:
        """Latest mean speed, and when it first was high."""
        speed = float(np.mean(self.speeds)) if self.speeds else math.nan
        return {"speed_mean": speed, "minutes_to_0.3_mps": self.reached}

    def scored(self) -> dict[str, float]:
        """Mean speed and tracking error since `restart`, averaged over half a second at a time."""
        if not self.moved:
            return {}
        velocity, command = (np.array(rows) for rows in zip(*self.moved, strict=True))
        follows = tracking(velocity, command, 1.0 / self._period, settle=0.0)
        return {
            "speed_mps": float(velocity[:, 0].mean()),
            "speed_error_mps": follows.planar,
            "yaw_error_radps": follows.turning,
        }


class LearningStatistics:
    """Fits `Log` and `RobotStatistics`. `now` is robot time."""

    def __init__(self, period: float, truth: Callable[[], GroundTruth] | None = None) -> None:
        """`truth` is what a simulated robot really does; it is measured besides, and nothing learns from it."""
        self.lateness = Lateness(period)
        self._truth = truth
        self.falls = self.helped = self.stops = self.interventions = 0
        self.rewards: deque[float] = deque(maxlen=400)
        self.own = MotionStatistics(period)
        """As the reward knows it."""
        self.true = None if truth is None else MotionStatistics(period)
        """As it really is."""
        self._first = self.now = math.nan

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        return None

    def add(self, tick: Tick) -> None:
        """Note one tick."""
        self.now = tick.obs.time + tick.obs.age
        self._first = self.now if math.isnan(self._first) else self._first
        self.lateness.add(tick)

    def add_step(self, tick: Tick, actor: ActsAndLearns) -> None:
        """Note one tick of learning."""
        self.rewards.append(actor.reward)
        velocity = np.array([*actor.velocity[:2], tick.obs.gyro[2]])
        self.own.add(velocity, actor.command, self.minutes)
        if self._truth is not None and self.true is not None:
            truth = self._truth()
            velocity = np.array([*truth.velocity[:2], truth.angular_velocity[2]])
            self.true.add(velocity, actor.command, self.minutes)

    @property
    def steps(self) -> int:
        """Ticks of learning since `restart`."""
        return len(self.own.moved)

    def curves(self) -> dict[str, float]:
        """Latest means and counts by name."""
        speed = sum(self.own.speeds) / max(1, len(self.own.speeds))
        reward = sum(self.rewards) / max(1, len(self.rewards))
        counts = {"falls": self.falls, "late_ticks": self.late_ticks, "person_helped": self.helped}
        return {"reward": reward, "speed_mps": speed} | {name: float(value) for name, value in counts.items()}

    def restart(self) -> None:
        """Score from here on."""
        self.own.moved = []
        if self.true is not None:
            self.true.moved = []

    @property
    def minutes(self) -> float:
        """Robot time since the first tick, whatever it was spent on."""
        return 0.0 if math.isnan(self.now) else (self.now - self._first) / 60

    @property
    def late_ticks(self) -> int:
        """Ticks that began too late."""
        return int((self.lateness.late > LATE).sum())

    def scored(self) -> dict[str, float]:
        """How it moved since `restart`, by the reward's own measure, and as it really was where that is known."""
        true = {} if self.true is None else self.true.scored()
        return {**self.own.scored(), **{f"true_{name}": value for name, value in true.items()}}

    def text(self) -> str:
        """How it goes, in a few words."""
        if not self.rewards:
            return "standing up"
        speed, reward = np.mean(self.own.speeds), np.mean(self.rewards)
        late = f"{self.late_ticks} late"
        return f"reward {reward:.2f} · {speed:.2f} m/s · {self.falls} falls · {late}"
