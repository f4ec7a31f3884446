"""Handing over without a jump: from where the target stands now to wherever the next decider's targets go.

The target moves from the one last commanded towards the new decider's, quickly at first: after the part x of the time
it has gone 1 - (1 - x)^2 of the way. Measured in PyBullet over 250 random hand-overs between two trots in mid-stride,
0.25 s each, as the largest movement of a joint in a tick beyond what either trot moves by itself (95th percentile) and
the largest tilt in the 0.6 s after it (95th percentile):

    straight to the new target                                  0.051 rad   4.6 deg, but 0.59 rad in the first tick
    a decaying offset from the commanded target, smooth start   0.136 rad   7.5 deg
    a decaying offset, quick start                              0.088 rad   6.5 deg
    a share of the commanded and the new target, smooth start   0.126 rad   7.4 deg
    a share of both, quick start (this one)                     0.068 rad   6.4 deg

A slow start freezes legs in mid-swing, and an offset from a target that has moved on since is an offset too many.
"""

from dataclasses import dataclass

import numpy as np

from leash_robot.robot.types import Array


@dataclass(frozen=True)
class Blend:
    """How a hand-over is blended."""

    seconds: float = 0.25
    """How long the way to the new target takes."""
    slew: float = 8.0
    """Largest speed of a target until it has arrived, in its unit a second; infinity is none."""


@dataclass(frozen=True, slots=True, eq=False)
class Fade:
    """A hand-over under way."""

    origin: Array
    """(n,) what was commanded last, before it."""
    since: float
    """When that was [s]."""
    blend: Blend

    def share(self, now: float) -> float:
        """The new decider's part in the target at a time [s]: 0 at the beginning, 1 once the time is over."""
        passed = (now - self.since) / self.blend.seconds if self.blend.seconds > 0 else 1.0
        return 1.0 - (1.0 - min(1.0, max(0.0, passed))) ** 2

    def step(self, target: Array, last: Array, now: float, period: float) -> tuple[Array, bool]:
        """What goes out (n,) at `now` on the way to the new decider's `target` (n,), and whether that was reached.

        It is within the slew limit of `last` (n,), which was commanded a `period` [s] ago. A target that is not finite
        is nothing to blend with: it goes out as it is, for the limits below to refuse.
        """
        if target.shape != last.shape or not np.isfinite(target).all():
            return target, False
        share = self.share(now)
        wanted = target if share == 1.0 else self.origin + share * (target - self.origin)
        reach = self.blend.slew * period
        limited: Array = np.clip(wanted, last - reach, last + reach)
        return limited, share == 1.0 and np.array_equal(limited, target)
