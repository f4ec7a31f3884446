"""Time: the monotonic clock, and the fixed grid of slots that the loop runs on."""

import math
import time
from typing import Protocol

ROUNDING = 1e-9
"""Periods that a sum of floats may be off."""


class Clock(Protocol):
    """Where time comes from; injectable, so that tests need not wait."""

    def now(self) -> float:
        """Monotonic time [s]."""
        ...

    def sleep_until(self, when: float) -> None:
        """Return once `now() >= when`."""
        ...


class MonotonicClock:
    """The machine's CLOCK_MONOTONIC, shared by all of its processes."""

    def now(self) -> float:
        """Monotonic time [s]."""
        return time.monotonic()

    def sleep_until(self, when: float) -> None:
        """Sleep to an absolute time; being interrupted does not shorten it."""
        while (left := when - time.monotonic()) > 0:
            time.sleep(left)


class VirtualClock:
    """A clock that moves only when told or slept on: for simulation and tests."""

    def __init__(self, start: float = 0.0) -> None:
        self._now = self._start = start

    def now(self) -> float:
        """Virtual time [s]."""
        return self._now

    def sleep_until(self, when: float) -> None:
        """Jump to `when`."""
        self._now = max(self._now, when)

    def restart(self) -> None:
        """Go back to the beginning; for a simulator that starts another life."""
        self._now = self._start

    def advance(self, seconds: float) -> None:
        """Let time pass."""
        self._now += seconds


class Grid:
    """Slots at start + k * period. A missed slot is skipped and accounted for, never caught up in a burst."""

    def __init__(self, period: float, clock: Clock) -> None:
        self.period = period
        self.clock = clock
        self._next = -math.inf

    def restart(self) -> None:
        """Let the next `wait` return at once and start a new grid there."""
        self._next = -math.inf

    def wait(self) -> float:
        """Wait for the next slot; return how late this tick begins, whole skipped slots included [s].

        Late is measured from the slot that should have followed the previous tick: 0.003 is a wake-up 3 ms late,
        0.101 at 20 Hz says that two slots were skipped and the tick began 1 ms after the third.
        """
        now = self.clock.now()
        if self._next == -math.inf:
            self._next = now + self.period
            return 0.0
        due = self._next
        behind = (now - due) / self.period
        # Note: a whole period late is a missed slot, or the next tick would begin in the same moment as this one.
        slot = due + math.ceil(behind - ROUNDING) * self.period if behind >= 1.0 - ROUNDING else due
        self.clock.sleep_until(slot)
        self._next = slot + self.period
        return self.clock.now() - due


def missed_slots(late: float, period: float) -> int:
    """How many slots a tick's lateness says were skipped."""
    return int(late // period)
