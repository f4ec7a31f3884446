"""Which velocities are asked for, and which are asked for again because they were not followed."""

from collections import deque
from typing import Annotated

import msgspec
import numpy as np
from msgspec import Meta

from leash_robot.robot.types import Array

Speed = Annotated[float, Meta(ge=-10, le=10)]
Range = tuple[Speed, Speed]

REMEMBERED = 100
"""So many commands are remembered with how they went; until then none is asked again."""
NEARBY = 0.1
"""What is asked again differs from what was asked by about this part of each range (standard deviation)."""


class Commands(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which body velocities are asked for, and for how long."""

    vx: Range = (-0.3, 0.5)
    """[m/s]"""
    vy: Range = (-0.15, 0.15)
    """[m/s]"""
    yaw: Range = (-1.0, 1.0)
    """[rad/s]"""
    stand: Annotated[float, Meta(ge=0, le=1)] = 0.1
    """Share of commands that ask to stand still."""
    hold: Annotated[float, Meta(ge=0.1, le=1e6)] = 5.0
    """How long a command lasts [s]."""
    again: Annotated[float, Meta(ge=0, le=1)] = 0.0
    """Share of the others that ask again for about what was not followed lately, the worse the likelier. What an
    episode asks for then depends on those before it, and not on its seed alone."""

    def __post_init__(self) -> None:
        for name in ("vx", "vy", "yaw"):
            low, high = getattr(self, name)
            if not low <= high:
                raise ValueError(f"{name}: [{low}, {high}] begins above its end; give the smaller one first")


class Curriculum:
    """Draws commands, and remembers over the episodes how they went (as Margolis et al. 2022, without a grid)."""

    def __init__(self, commands: Commands) -> None:
        self._commands = commands
        self._low, self._high = np.array([commands.vx, commands.vy, commands.yaw], np.float64).T
        self._lately: deque[tuple[Array, float]] = deque(maxlen=REMEMBERED)
        self._now: Array = np.zeros(3)
        self._sum, self._ticks = 0.0, 0

    def draw(self, rng: np.random.Generator) -> Array:
        """The next command (3,): vx, vy [m/s], yaw rate [rad/s]."""
        self._lately.extend(self._latest())
        self._sum, self._ticks = 0.0, 0
        again = self._commands.again if len(self._lately) == REMEMBERED else 0.0
        if rng.random() < self._commands.stand:
            self._now = np.zeros(3)
        elif again and rng.random() < again:
            self._now = self._near(rng)
        else:
            self._now = rng.uniform(self._low, self._high)
        return self._now

    def went(self, pursuit: float) -> None:
        """How much of the command there was in this tick: 1 is all of it, 0 as good as standing."""
        self._sum += pursuit
        self._ticks += 1

    @property
    def memory(self) -> Array:
        """(k, 4) the latest commands, and how far each was from being followed."""
        noted = [*self._lately, *self._latest()][-REMEMBERED:]
        return np.array([[*command, loss] for command, loss in noted]).reshape(-1, 4)

    @memory.setter
    def memory(self, rows: Array) -> None:
        self._lately = deque(((row[:3], float(row[3])) for row in rows), maxlen=REMEMBERED)
        self._sum, self._ticks = 0.0, 0

    def _latest(self) -> list[tuple[Array, float]]:
        """The command of the last ticks and how it went, if there were any and it was not to stand."""
        if not self._ticks or not self._now.any():
            return []
        return [(self._now, max(0.0, 1.0 - self._sum / self._ticks) ** 2)]

    def _near(self, rng: np.random.Generator) -> Array:
        """About what went badly."""
        loss = np.array([loss for _, loss in self._lately])
        at = rng.choice(REMEMBERED, p=loss / loss.sum()) if loss.any() else rng.integers(REMEMBERED)
        spread = NEARBY * (self._high - self._low)
        near: Array = (self._lately[at][0] + spread * rng.standard_normal(3)).clip(self._low, self._high)
        return near
