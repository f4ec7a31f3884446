"""One recording in a row of figures, whole, unfinished or damaged."""

from pathlib import Path

import numpy as np

from robot.clock import missed_slots
from robot.episode import Episode, read_episode
from robot.errors import EpisodeError
from robot.types import SOURCES

NAMES = ("episode_*.mcap", "episode_*.mcap.partial", "episode_*.damaged")


def find_episodes(paths: tuple[Path, ...]) -> list[Path]:
    """The episode files, unfinished ones included, among files and folders. Raises EpisodeError when there are none."""
    found: list[Path] = []
    for path in paths:
        if not path.exists():
            raise EpisodeError(f"{path} is neither an episode file nor a folder of them")
        found += sorted(file for name in NAMES for file in path.glob(name)) if path.is_dir() else [path]
    if not found:
        raise EpisodeError(f"no episodes in {', '.join(map(str, paths))}")
    return found


def summarize(path: Path) -> dict[str, object]:
    """Figures of one file; of a damaged one, only what is wrong with it."""
    figures: dict[str, object] = {"file": str(path), "size_mb": path.stat().st_size / 1e6}
    try:
        episode = read_episode(path)
    except EpisodeError as error:
        return figures | {"state": "damaged", "error": str(error)}
    state = "ok" if episode.end and path.suffix == ".mcap" else "partial"
    return figures | {"state": state} | describe(episode)


def describe(episode: Episode) -> dict[str, object]:
    """Figures of a readable episode."""
    end = episode.end
    late = episode.late if len(episode) else np.zeros(1)
    return {
        "index": episode.start.index,
        "created": episode.start.created,
        "ticks": len(episode),
        "dropped": end.dropped if end else 0,
        "seconds": episode.seconds,
        "outcome": episode.outcome,
        "reason": end.reason if end else "",
        "drove": shares(episode),
        "late_p99_ms": 1e3 * float(np.percentile(late, 99)),
        "missed": sum(missed_slots(value, episode.spec.period) for value in late),
        "cameras": {name: len(np.unique(times[np.isfinite(times)])) for name, times in episode.camera_time.items()},
        "robot": episode.spec.name,
        "spec_hash": episode.start.spec_hash,
        "calibration_hash": episode.start.calibration_hash,
        "version": episode.start.version,
        **{f"info_{name}": value for name, value in episode.start.info.items()},
    }


def shares(episode: Episode) -> dict[str, float]:
    """Part of the ticks that each source decided."""
    counts = np.bincount(episode.sent.source[episode.sent.source >= 0], minlength=len(SOURCES))
    return {name: float(count) / len(episode) for name, count in zip(SOURCES, counts, strict=True) if count}
