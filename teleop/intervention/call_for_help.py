"""When a policy should call a person: it doubts, the body tilts, or an expert would do something else.

Pure: a state, what was just seen, and the next state. A request begins after a few ticks over a limit and ends after
half a second below all of them, so that a flicker neither starts nor ends one (the two thresholds of LazyDAgger, Hoque
et al. 2021, in time instead of height).
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Literal

import numpy as np

from leash_robot.robot.types import Action, Array

Cause = Literal["", "tilt", "risk", "discrepancy"]
FITTED = "ask_risk"
"""Under this name a policy's notes on its training keep the risk from which it shall ask for help."""

Gap = Callable[[Action, Action], float]
"""How far apart two proposals are."""


@dataclass(frozen=True)
class Limits:
    """From where on help is asked for."""

    risk: float = 0.5
    """The policy's own doubt; 0.5 is the 99th percentile of what was held out when it was trained."""
    tilt: float = math.radians(22.5)
    """Half the angle that counts as fallen [rad]."""
    discrepancy: float = math.inf
    """How far the policy may be from the expert: rad, or m/s and rad/s."""
    enter: int = 3
    """So many ticks in a row over a limit begin a request."""
    leave: float = 0.5
    """So long below all limits ends it [s]."""


@dataclass(frozen=True)
class Doubts:
    """What speaks against the policy at one tick; NaN is not known, and speaks for nothing."""

    risk: float = math.nan
    tilt: float = math.nan
    """[rad]"""
    discrepancy: float = math.nan

    def over(self, limits: Limits) -> Cause:
        """The first limit that is exceeded, the gravest first."""
        causes: tuple[Cause, ...] = ("tilt", "risk", "discrepancy")
        return next((cause for cause in causes if getattr(self, cause) > getattr(limits, cause)), "")

    def told(self, cause: Cause, limits: Limits) -> str:
        """The cause in words."""
        value, limit = getattr(self, cause, math.nan), getattr(limits, cause, math.nan)
        if cause == "tilt":
            return f"the robot tilts by {math.degrees(value):.0f} deg, over {math.degrees(limit):.0f}"
        if cause == "risk":
            return f"the policy doubts: risk {value:.2f}, over {limit:.2f}"
        return f"the policy is {value:.2f} away from the expert, over {limit:.2f}"


@dataclass(frozen=True)
class Help:
    """Whether help is asked for; `after` is the rule."""

    limits: Limits = field(default_factory=Limits)
    asking: Cause = ""
    """What it was that began the request; empty while there is none."""
    request: str = ""
    """The same in words."""
    count: int = 0
    """Ticks in a row over a limit."""
    exceeded: float = -math.inf
    """When a limit was last exceeded [s]."""

    def after(self, doubts: Doubts, now: float) -> "Help":
        """The state once these doubts were seen at `now`."""
        over = doubts.over(self.limits)
        if not over:
            calm = now - self.exceeded >= self.limits.leave
            return Help(self.limits) if calm else replace(self, count=0)
        count = self.count + 1
        begins = not self.asking and count >= self.limits.enter
        asking, request = (over, doubts.told(over, self.limits)) if begins else (self.asking, self.request)
        return Help(self.limits, asking, request, count, now)


def tilt(gravity: Array) -> float:
    """Angle [rad] between gravity (3,) in the body frame and straight down; NaN without an IMU."""
    length = float(np.linalg.norm(gravity))
    return math.acos(min(1.0, max(-1.0, -float(gravity[2]) / length))) if length > 0 else math.nan


def joint_gap(policy: Action, expert: Action) -> float:
    """Root mean square of the difference between two joint targets [rad]."""
    return _rms(policy.joint_pos - expert.joint_pos) if policy.joint_pos.shape == expert.joint_pos.shape else math.nan


def command_gap(policy: Action, expert: Action) -> float:
    """Root mean square of the difference between two body velocities [m/s and rad/s]."""
    return _rms(policy.command - expert.command)


def _rms(difference: Array) -> float:
    return float(np.sqrt(np.mean(np.square(difference))))


def asked(risks: Array, limits: Limits, period: float) -> float:
    """Share of the ticks of a policy's doubts (T,) during which it would have asked for help."""
    state, count = Help(limits), 0
    for tick, risk in enumerate(risks):
        state = state.after(Doubts(float(risk)), tick * period)
        count += bool(state.asking)
    return count / len(risks) if len(risks) else 0.0


def refit(risks: Array, target_rate: float, limits: Limits | None = None, period: float = 0.05) -> Limits:
    """Limits with the lowest bound on risk that would have asked during at most `target_rate` of these ticks (T,).

    The doubts are in the order of time, so that a request's slow beginning and end count as they will. The higher the
    bound, the less is asked, so that halving finds it. Where no tick has a doubt, the limits stay as they are.
    """
    limits = limits or Limits()
    bounds = np.unique(risks[np.isfinite(risks)])
    if not len(bounds):
        return limits
    low, high = 0, len(bounds) - 1
    while low < high:
        middle = (low + high) // 2
        if asked(risks, replace(limits, risk=float(bounds[middle])), period) <= target_rate:
            high = middle
        else:
            low = middle + 1
    return replace(limits, risk=float(bounds[high]))
