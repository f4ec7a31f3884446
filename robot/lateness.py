"""Keeps how late each tick began, and says it in figures."""

from typing import Self

import numpy as np

from leash_robot.robot.clock import missed_slots
from leash_robot.robot.types import Array, Tick


class Lateness:
    """Fits `Log`: keeps each tick's lateness."""

    def __init__(self, period: float) -> None:
        self._period = period
        self._late: list[float] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        return None

    def add(self, tick: Tick) -> None:
        """Note one tick."""
        self._late.append(tick.obs.late)

    @property
    def late(self) -> Array:
        """(T,) lateness of each tick [s]."""
        return np.array(self._late)

    def figures(self) -> dict[str, float | int]:
        """Missed slots and lateness percentiles."""
        late = self.late * 1e3
        return {
            "ticks": len(self._late),
            "missed": sum(missed_slots(value, self._period) for value in self._late),
            "late_p50_ms": float(np.percentile(late, 50)),
            "late_p99_ms": float(np.percentile(late, 99)),
            "late_max_ms": float(late.max()),
        }
