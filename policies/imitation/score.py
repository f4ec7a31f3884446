"""How well an image policy drives unseen tracks by itself."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import numpy as np

from leash_robot.policies.imitation.demonstrator import Report, Rollout, RolloutResult
from leash_robot.robot.statistics import wilson_interval

R = TypeVar("R", bound=RolloutResult)
HELD_OUT_TRACKS = range(900_000, 1_000_000)
"""Seeds of the tracks on which image policies are scored; training steps over them."""


def training_seeds(first: int, count: int) -> tuple[int, ...]:
    """`count` seeds of tracks to learn from, beginning at the `first`, with the held-out ones stepped over."""
    unseen = HELD_OUT_TRACKS
    return tuple(seed if seed < unseen.start else seed + len(unseen) for seed in range(first, first + count))


@dataclass(frozen=True)
class RolloutScore:
    """The figures of some tracks."""

    episodes: int
    completed: int
    fell: int
    success: float
    """Part of the tracks that was completed."""
    success_low: float
    """Wilson's 95 % interval."""
    success_high: float
    progress: float
    """Mean part of a track that was behind the robot when it ended."""
    off_m: float
    """Root mean square distance from the line, mean over the tracks [m]."""


def attempts(rollout: Rollout[R], file: Path, tracks: int, report: Report = lambda part: None) -> list[R]:
    """Let the policy in a file drive the first `tracks` held-out tracks; the results in their order."""
    results: list[R] = []
    for some in rollout.attempt(file, HELD_OUT_TRACKS[:tracks]):
        results += some
        report(len(results) / tracks)
    return sorted(results, key=lambda one: one.seed)


def score(results: Sequence[RolloutResult]) -> RolloutScore:
    """The figures of at least one track."""
    completed = sum(one.verdict == "completed" for one in results)
    low, high = wilson_interval(completed, len(results))
    return RolloutScore(
        episodes=len(results),
        completed=completed,
        fell=sum(one.verdict == "fell" for one in results),
        success=completed / len(results),
        success_low=low,
        success_high=high,
        progress=float(np.mean([one.progress for one in results])),
        off_m=float(np.mean([one.off for one in results])),
    )
