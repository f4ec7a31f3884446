"""How far a training is, in shared memory: every process of it reads the same counts, and keeps its pace by them.

Steps and updates are tied to each other from both sides: the learner waits for steps, and collectors wait for updates.
So a training depends on how much was simulated and learned, and not on how fast this machine does either.
"""

from dataclasses import dataclass
from multiprocessing.shared_memory import SharedMemory
from typing import Self

import numpy as np
from numpy.typing import NDArray

COMPILING, DEMONSTRATING, IMITATING, LEARNING = range(4)
"""What a learner does first, and then."""
PHASES = ("compiling the learner", "recording demonstrations", "imitating demonstrations", "learning")
"""The same for people."""
AHEAD = 20
"""Collectors may be ahead of the learner by the steps of so many updates."""
LEAST_AHEAD = 100
"""And by at least so many steps."""


@dataclass(frozen=True)
class Counts:
    """Where the counts lie; another process opens them there."""

    memory: str
    collectors: int


@dataclass(frozen=True)
class Pace:
    """How many updates go with a step."""

    ratio: float
    """Updates a step."""
    start: int
    """Steps before the first update."""
    steps: int = 0
    """Steps that an earlier part of the same training took."""
    updates: int = 0
    """Updates that it made."""
    budget: int | None = None
    """Updates at which the learner stops, those of earlier parts included."""

    def due(self, steps: int, updates: int) -> int:
        """How many more updates these steps allow, after so many."""
        # Note: counted from the steps alone, so that a resumed training goes on with the same rhythm.
        due = int(self.ratio * steps) - int(self.ratio * self.steps) - (updates - self.updates)
        return due if self.budget is None else min(due, self.budget - updates)

    def may_update(self, progress: "SharedProgress") -> bool:
        """Whether the steps so far call for another update."""
        return self.due(progress.steps, progress.updates) > 0

    def may_step(self, progress: "SharedProgress") -> bool:
        """Whether the learner is near enough for another step."""
        ahead = max(LEAST_AHEAD, AHEAD / self.ratio)
        called_for = (progress.updates - self.updates) / self.ratio
        return progress.steps - self.steps < max(self.start, called_for) + ahead


class SharedProgress:
    """Steps of each collector, updates, phase and measured rate of the learner. Each number has one writer."""

    def __init__(self, counts: Counts | None = None, *, collectors: int = 1, steps: int = 0, updates: int = 0) -> None:
        """Open the counts where they lie, or make them; `steps` and `updates` are those of earlier parts."""
        self._owner = counts is None
        size = 4 + (counts.collectors if counts else collectors)
        self._memory = SharedMemory(counts.memory if counts else None, self._owner, 8 * size)
        self.counts = counts or Counts(self._memory.name, collectors)
        self._values: NDArray[np.int64] = np.ndarray((size,), np.int64, self._memory.buf)
        if self._owner:
            self._values[:] = 0
            self._values[:2] = steps, updates

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def close(self) -> None:
        """Release the memory; its maker also frees it."""
        self._values = self._values.copy()
        self._memory.close()
        if self._owner:
            self._memory.unlink()

    @property
    def steps(self) -> int:
        """Steps of the whole training, by all collectors."""
        return int(self._values[0] + self._values[4:].sum())

    def stepped(self, collector: int) -> None:
        """Count a step of this collector."""
        self._values[4 + collector] += 1

    @property
    def updates(self) -> int:
        """Updates of the whole training."""
        return int(self._values[1])

    @updates.setter
    def updates(self, value: int) -> None:
        self._values[1] = value

    @property
    def phase(self) -> int:
        """What the learner does now: COMPILING, DEMONSTRATING, IMITATING or LEARNING."""
        return int(self._values[2])

    @phase.setter
    def phase(self, value: int) -> None:
        self._values[2] = value

    @property
    def rate(self) -> float:
        """Updates in a second of the learner's CPU time, measured once it is compiled; 0 before."""
        return float(self._values[3]) / 1000

    @rate.setter
    def rate(self, value: float) -> None:
        self._values[3] = round(1000 * value)
