"""How well an image policy drives unseen tracks by itself."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from leash_robot.launch.dagger.pool import TrackPool
from leash_robot.launch.dagger.track import Ran
from leash_robot.launch.options.seeds import TRACKS_FINAL
from leash_robot.robot.statistics import wilson_interval

UNSEEN = TRACKS_FINAL.start
"""Where the seeds of the tracks begin that nobody learns from."""
KEPT = len(TRACKS_FINAL)
"""How many seeds are kept for those."""


def training_seeds(first: int, count: int) -> tuple[int, ...]:
    """So many seeds of tracks to learn from; `first` only chooses among those, for the others are stepped over."""
    return tuple(seed if seed < UNSEEN else seed + KEPT for seed in range(first, first + count))


@dataclass(frozen=True)
class Score:
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


def attempts(pool: TrackPool, file: Path, tracks: int, done: Callable[[float], None] = lambda part: None) -> list[Ran]:
    """Let the policy in a file drive the first unseen tracks; in their order. `done` hears what part is, 0..1."""
    ran: list[Ran] = []
    for some in pool.attempt(file, range(UNSEEN, UNSEEN + tracks)):
        ran += some
        done(len(ran) / tracks)
    return sorted(ran, key=lambda one: one.seed)


def score(ran: Sequence[Ran]) -> Score:
    """The figures of at least one track."""
    done = sum(one.verdict == "completed" for one in ran)
    low, high = wilson_interval(done, len(ran))
    return Score(
        episodes=len(ran),
        completed=done,
        fell=sum(one.verdict == "fell" for one in ran),
        success=done / len(ran),
        success_low=low,
        success_high=high,
        progress=float(np.mean([one.progress for one in ran])),
        off_m=float(np.mean([one.off for one in ran])),
    )
