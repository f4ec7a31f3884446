"""One recording in a row of figures, whole, unfinished or damaged."""

from pathlib import Path

import numpy as np

from leash_robot.robot.clock import missed_slots
from leash_robot.robot.dataset.episode import Episode, read_episode
from leash_robot.robot.dataset.folder import being_recorded
from leash_robot.robot.dataset.mcap.writer import PARTIAL
from leash_robot.robot.dataset.selection import episode_files
from leash_robot.robot.dataset.verify import damage, verify
from leash_robot.robot.errors import EpisodeError
from leash_robot.robot.types import SOURCES


def find_episodes(paths: tuple[Path, ...]) -> list[Path]:
    """The episode files, unfinished ones included, among files and folders. Raises EpisodeError when there are none."""
    found = [file for path in paths for file in episode_files(path)]
    if not found:
        raise EpisodeError(f"no episodes in {', '.join(map(str, paths))}")
    return found


def summarize(path: Path) -> dict[str, object]:
    """Figures of one file, every byte of which is tested; of a damaged one, only what is wrong with it.

    `state` is `ok`, `damaged`, `empty` (it holds no tick), `recording`, or `partial`: a recording that was never
    finished.
    """
    figures: dict[str, object] = {"file": str(path), "size_mb": path.stat().st_size / 1e6}
    try:
        episode = read_episode(path)
        faults = verify(path)
    except EpisodeError as error:
        return figures | {"state": "damaged", "error": str(error)}
    if path.suffix == PARTIAL:
        return figures | _unfinished(episode) | describe(episode)
    if faults:
        return figures | {"state": "damaged", "error": f"{path} is {damage(path, faults)}"}
    return figures | _finished(episode) | describe(episode)


def _finished(episode: Episode) -> dict[str, object]:
    return {"state": "ok"} if len(episode) else {"state": "empty", "error": f"{episode.path} holds no tick"}


def _unfinished(episode: Episode) -> dict[str, object]:
    path = episode.path
    if being_recorded(path.parent):
        return {"state": "recording"}
    remedy = f"`leash data recover {path}` makes an episode of its {len(episode)} ticks"
    return {"state": "partial", "error": f"{path} was never finished; {remedy}"}


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
