"""Counts what happens while a robot learns: lateness, speed, falls."""

import math
from collections import deque
from typing import Self

import numpy as np

from launch.lateness import Lateness
from launch.live_driver import Apprentice
from robot.types import Array, Tick
from sim.tracking import tracking

LATE = 0.025
"""A tick that begins later than this is late [s]; half a period."""


class Tally:
    """Fits `Log`, to stand behind the apprentice's. `now` is robot time."""

    def __init__(self, period: float, apprentice: Apprentice | None = None) -> None:
        self.lateness = Lateness(period)
        self.apprentice = apprentice
        self.falls = self.helped = self.stops = self.interventions = 0
        self.rewards: deque[float] = deque(maxlen=400)
        self.speeds: deque[float] = deque(maxlen=400)
        self.reached = math.nan
        """Robot minutes until the mean of 20 s first was 0.3 m/s."""
        self.moved: list[tuple[Array, Array]] = []
        """Velocity and command (3,) of each tick since `restart`."""
        self._period = period
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

    def walked(self, tick: Tick, apprentice: Apprentice) -> None:
        """Note one tick of learning."""
        velocity = np.array([*apprentice.estimate.velocity[:2], tick.obs.gyro[2]])
        self.moved.append((velocity, apprentice.command))
        self.rewards.append(apprentice.reward)
        self.speeds.append(float(velocity[0]))
        if math.isnan(self.reached) and len(self.speeds) == 400 and np.mean(self.speeds) >= 0.3:
            self.reached = self.minutes

    def restart(self) -> None:
        """Score from here on."""
        self.moved = []

    @property
    def minutes(self) -> float:
        """Robot time since the first tick, whatever it was spent on."""
        return 0.0 if math.isnan(self.now) else (self.now - self._first) / 60

    @property
    def late_ticks(self) -> int:
        """Ticks that began too late."""
        return int((self.lateness.late > LATE).sum())

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

    def told(self) -> str:
        """How it goes, in a few words."""
        if not self.rewards:
            return "standing up"
        speed, reward = np.mean(self.speeds), np.mean(self.rewards)
        late = f"{self.late_ticks} late"
        return f"reward {reward:.2f} · {speed:.2f} m/s · {self.falls} falls · {late}"
