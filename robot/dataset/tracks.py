"""Which tracks the recordings of a folder are of, and what became of each."""

import contextlib
from collections.abc import Mapping, Sequence
from pathlib import Path

from leash_robot.robot.dataset.episode import Episode, list_episodes, read_episode
from leash_robot.robot.dataset.metadata import Outcome
from leash_robot.robot.errors import EpisodeError

Entry = tuple[int, Outcome]
"""The seed of a track, and what became of its recording."""


def recorded_tracks(folder: Path) -> dict[int, Entry]:
    """The finished recordings of a folder by number; damaged ones do not count."""
    entries: dict[int, Entry] = {}
    for path in list_episodes(folder) if folder.exists() else []:
        with contextlib.suppress(EpisodeError):
            episode = read_episode(path)
            entries[episode.start.index] = _track(episode), episode.outcome
    return entries


def kept(entries: Mapping[int, Entry]) -> set[int]:
    """The numbers of the recordings that are kept."""
    return {index for index, (_, outcome) in entries.items() if outcome != "discarded"}


def all_recorded(folder: Path, seeds: Sequence[int]) -> bool:
    """Whether a folder holds as many kept recordings as there are tracks to drive."""
    return len(kept(recorded_tracks(folder))) >= len(seeds)


def _track(episode: Episode) -> int:
    """The seed of the track that was driven. Raises EpisodeError."""
    seed = episode.start.info.get("track", "")
    if not seed.isdecimal():
        raise EpisodeError(f"{episode.path} was not recorded on a track; move it elsewhere")
    return int(seed)
