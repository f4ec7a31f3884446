"""Whether an episode is worth keeping: what its ticks say about rate, gaps, staleness and saturation."""

from dataclasses import dataclass

import numpy as np

from leash_robot.robot.types import Tick

STATE_STALE = 0.1
"""A joint state older than this was stale when it was used [s]."""

IMAGE_STALE = 0.2
"""A camera frame older than this was stale when it was used [s]."""

TOUCH = 1e-6
"""A target that the limits moved by more than this was saturated [rad]."""


@dataclass(frozen=True)
class Bounds:
    """What an episode must reach to pass without a warning."""

    rate_share: float = 0.97
    """Achieved share of the control rate."""
    gap_periods: float = 3.0
    """Longest time between two ticks, in periods."""
    stale: float = 0.01
    """Share of ticks with a stale joint state or frame."""
    saturated: float = 0.2
    """Share of ticks whose target the limits changed."""
    seconds: float = 1.0
    """Shortest episode."""


@dataclass(frozen=True)
class Quality:
    """Figures of one episode."""

    ticks: int = 0
    seconds: float = 0.0
    """From the first tick to the last."""
    rate: float = 0.0
    """Achieved ticks a second."""
    gap: float = 0.0
    """Longest time between two ticks [s]."""
    stale: float = 0.0
    """Share of ticks with a stale joint state or frame."""
    saturated: float = 0.0
    """Share of ticks whose target the limits changed."""

    def warnings(self, rate: float, bounds: Bounds | None = None) -> tuple[str, ...]:
        """What is wrong with it for a loop at `rate` [Hz], one short sentence each."""
        bounds = bounds or Bounds()
        found: list[str] = []
        if self.seconds < bounds.seconds:
            found.append(f"only {self.seconds:.1f} s long (at least {bounds.seconds:.1f} s)")
        elif self.rate < bounds.rate_share * rate:
            found.append(f"{self.rate:.1f} Hz instead of {rate:.0f} Hz")
        if self.gap > bounds.gap_periods / rate:
            found.append(f"a gap of {self.gap * 1e3:.0f} ms (at most {bounds.gap_periods / rate * 1e3:.0f} ms)")
        if self.stale > bounds.stale:
            found.append(f"{self.stale:.0%} of the ticks saw stale data (at most {bounds.stale:.0%})")
        if self.saturated > bounds.saturated:
            found.append(f"{self.saturated:.0%} of the targets hit a limit (at most {bounds.saturated:.0%})")
        return tuple(found)


class QualityMonitor:
    """Takes ticks and keeps their figures."""

    def __init__(self) -> None:
        self._first: float | None = None
        self._last = 0.0
        self._gap = 0.0
        self._ticks = self._stale = self._saturated = 0

    def add(self, tick: Tick) -> None:
        """Take one tick."""
        time = tick.obs.time
        if self._first is None:
            self._first = time
        else:
            self._gap = max(self._gap, time - self._last)
        self._last = time
        self._ticks += 1
        self._stale += stale(tick)
        self._saturated += saturated(tick)

    @property
    def quality(self) -> Quality:
        """The figures so far."""
        if self._first is None:
            return Quality()
        seconds, ticks = self._last - self._first, self._ticks
        rate = (ticks - 1) / seconds if seconds > 0 else 0.0
        return Quality(ticks, seconds, rate, self._gap, self._stale / ticks, self._saturated / ticks)


def stale(tick: Tick) -> bool:
    """Whether the joint state or any frame was too old when this tick used it."""
    old = any(tick.obs.time - image.time > IMAGE_STALE for image in tick.obs.images.values())
    return old or tick.obs.age > STATE_STALE


def saturated(tick: Tick) -> bool:
    """Whether the limits changed the target; a soft stop has none."""
    if "safety" in {tick.wanted.source, tick.sent.source}:
        return False
    return bool(np.any(np.abs(tick.wanted.joint_pos - tick.sent.joint_pos) > TOUCH))
