"""The pure pieces of DAgger: whose tick is which, how much each counts, how sure a success rate is, when to stop.

Weights: IWR (Mandlekar et al. 2020) gives what a person did in place of the policy a fixed part of the learning,
however little of it there is. What the policy did just before a person took over is what they took over for, so it
never counts (Sirius, Liu et al. 2022).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Annotated

import numpy as np
from msgspec import Meta
from numpy.typing import NDArray

from leash_robot.robot.dataset.episode import Episode
from leash_robot.robot.types import SOURCES, Array

HUMAN, POLICY = SOURCES.index("human"), SOURCES.index("policy")


class Role(IntEnum):
    """What a recorded tick is to the learner."""

    NONE = 0
    """Nobody decided, or the policy did just before it was corrected."""
    DEMONSTRATION = 1
    """A person drove, and no policy was there."""
    CORRECTION = 2
    """A person said what they wanted in a state that the policy had led to."""
    OWN = 3
    """The policy drove, and nobody objected."""


@dataclass(frozen=True)
class Weighting:
    """How much which ticks count."""

    corrections: Annotated[float, Meta(ge=0, lt=1)] = 0.5
    """Part of the learning that corrections get; 0 weighs every tick alike, as classic DAgger does."""
    most: Annotated[float, Meta(gt=0)] = 3.0
    """No correction counts more than so many demonstrated ticks: a handful of them must not be learned by heart."""
    own: Annotated[float, Meta(ge=0)] = 0.0
    """How much a tick of the policy's own counts, per demonstrated tick."""
    before: Annotated[float, Meta(ge=0)] = 0.75
    """What the policy did so long before a takeover never counts [s]."""


def roles(episode: Episode, before: Annotated[float, Meta(ge=0)] = 0.75) -> NDArray[np.int8]:
    """What each tick (T,) of a recording is."""
    drove = episode.wanted.source == POLICY
    # Note: an arm's person asks for joint targets and no body velocity.
    meant = np.isfinite(episode.human.command).all(axis=1) | np.isfinite(episode.human.joint_pos).all(axis=1)
    said = (episode.human.source == HUMAN) & meant
    made = np.full(len(episode), Role.NONE, np.int8)
    made[drove & ~leading_up(episode, before)] = Role.OWN
    made[said] = Role.CORRECTION if drove.any() else Role.DEMONSTRATION
    return made


def takeovers(episode: Episode) -> NDArray[np.int64]:
    """The ticks at which a person took over from the policy."""
    source = episode.wanted.source
    return np.flatnonzero((source[1:] == HUMAN) & (source[:-1] == POLICY)) + 1


def leading_up(episode: Episode, before: float) -> NDArray[np.bool_]:
    """Whether each tick (T,) lies less than `before` seconds ahead of a takeover."""
    marked = np.zeros(len(episode), np.bool_)
    for tick in takeovers(episode):
        since = episode.time[tick] - episode.time
        marked |= (since > 0) & (since <= before + 1e-6)
    return marked


def weigh(episodes: Sequence[Episode], weighting: Weighting | None = None) -> list[Array]:
    """How much each tick (T,) of each episode counts; the mean over all that count is 1."""
    weighting = weighting or Weighting()
    whose = [roles(episode, weighting.before) for episode in episodes]
    counts = np.bincount(np.concatenate(whose), minlength=len(Role)) if whose else np.zeros(len(Role))
    value = np.zeros(len(Role))
    value[Role.DEMONSTRATION] = value[Role.CORRECTION] = 1.0
    value[Role.OWN] = weighting.own
    rest = float(value[Role.DEMONSTRATION] * counts[Role.DEMONSTRATION] + value[Role.OWN] * counts[Role.OWN])
    if weighting.corrections > 0 and counts[Role.CORRECTION] and rest:
        due = weighting.corrections / (1 - weighting.corrections) * rest / counts[Role.CORRECTION]
        value[Role.CORRECTION] = min(due, weighting.most)
    used = float(counts[value > 0].sum())
    total = float((value * counts).sum())
    return [value[whom] * (used / total if total else 1.0) for whom in whose]


@dataclass(frozen=True)
class Supervision:
    """What some recordings cost the person."""

    human_s: float
    """How long the person said what they wanted [s]."""
    intervention_rate: float
    """Part of the driven time in which the person drove, 0..1."""
    switches_per_min: float
    """How often the authority changed hands."""


def supervision(episodes: Sequence[Episode]) -> Supervision:
    """The person's part in recordings of one rate."""
    said, drove, driven, switches, period = 0, 0, 0, 0, 0.0
    for episode in episodes:
        whose, period = roles(episode), episode.spec.period
        said += int(((whose == Role.DEMONSTRATION) | (whose == Role.CORRECTION)).sum())
        drivers = episode.wanted.source[np.isin(episode.wanted.source, (HUMAN, POLICY))]
        drove += int((drivers == HUMAN).sum())
        driven += len(drivers)
        switches += int((np.diff(drivers) != 0).sum())
    minutes = driven * period / 60
    return Supervision(said * period, drove / driven if driven else 0.0, switches / minutes if minutes else 0.0)


@dataclass(frozen=True)
class StopRule:
    """When the rounds are over."""

    target: Annotated[float, Meta(ge=0, le=1)] = 0.95
    """Success to reach."""
    interventions: Annotated[float, Meta(ge=0, le=1)] = 0.01
    """Part of the time that a person may still drive."""

    def met(self, success_high: float, intervention_rate: float) -> bool:
        """Whether the interval of the success reaches the target and hardly anybody intervenes."""
        return success_high >= self.target and intervention_rate < self.interventions


def beta(round_number: int, decay: float = 0.5) -> float:
    """Part of the time that the expert drives in a round of classic DAgger: all of round 0, then ever less."""
    return float(decay**round_number)
