"""Which tracks of a round are driven and which are left, where a person may take a recording back."""

import contextlib
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from leash_robot.robot.dataset.episode import Episode, list_episodes, read_episode
from leash_robot.robot.dataset.metadata import Outcome, Reason
from leash_robot.robot.errors import EpisodeError
from leash_robot.robot.recording.recorder import Recorder
from leash_robot.robot.types import Tick

Entry = tuple[int, Outcome]
"""The seed of a track, and what became of its recording."""


def recorded(folder: Path) -> dict[int, Entry]:
    """The finished recordings of a folder by number; damaged ones do not count."""
    entries: dict[int, Entry] = {}
    for path in list_episodes(folder) if folder.exists() else []:
        with contextlib.suppress(EpisodeError):
            episode = read_episode(path)
            entries[episode.start.index] = _track(episode), episode.outcome
    return entries


def _track(episode: Episode) -> int:
    """The seed of the track that was driven. Raises EpisodeError."""
    said = episode.start.info.get("track", "")
    if not said.isdecimal():
        raise EpisodeError(f"{episode.path} was not recorded on a track; move it elsewhere")
    return int(said)


def kept(entries: Mapping[int, Entry]) -> set[int]:
    """The numbers of the recordings that are kept."""
    return {index for index, (_, outcome) in entries.items() if outcome != "discarded"}


def full(folder: Path, seeds: Sequence[int]) -> bool:
    """Whether a folder holds as many kept recordings as there are tracks to drive."""
    return len(kept(recorded(folder))) >= len(seeds)


class TrackBook:
    """Fits the session's `Recorder`: hands everything on, and keeps account of the tracks.

    A track is driven once a recording of it is kept. One that is left in the middle is not.
    """

    def __init__(
        self,
        recorder: Recorder,
        relabel: Callable[[int, Outcome], None],
        seeds: Sequence[int],
        before: Mapping[int, Entry],
    ) -> None:
        """`seeds` are the tracks to drive, in their order; `before` is what the folder holds already."""
        self._recorder, self._relabel, self._seeds = recorder, relabel, seeds
        self._entries = dict(before)
        self._seed = seeds[0]
        self._running: int | None = None
        self.last: Outcome = "unlabelled"
        """What became of the newest recording."""

    @property
    def cut_short(self) -> Mapping[int, str]:
        """Recordings that the disk ended early, and why."""
        return self._recorder.cut_short

    @property
    def missing(self) -> Mapping[int, str]:
        """Recordings that have no file after all, and why."""
        return self._recorder.missing

    @property
    def recording(self) -> bool:
        """Whether a track is being recorded."""
        return self._running is not None

    @property
    def counts(self) -> Counter[Outcome]:
        """Finished recordings by outcome."""
        return Counter(outcome for _, outcome in self._entries.values())

    @property
    def kept(self) -> int:
        """How many recordings are kept."""
        return len(self._kept)

    @property
    def _kept(self) -> set[int]:
        """Their numbers; a recording that turns out to have no file is none."""
        return kept(self._entries) - self.missing.keys()

    @property
    def wanted(self) -> int:
        """How many shall be."""
        return len(self._seeds)

    @property
    def full(self) -> bool:
        """Whether there is nothing left to drive."""
        return self.kept >= self.wanted

    @property
    def seed(self) -> int:
        """The track whose turn it is; when all are driven, the last one's."""
        if not self.recording and not self.full:
            driven = {self._entries[index][0] for index in self._kept}
            self._seed = next((seed for seed in self._seeds if seed not in driven), self._seed)
        return self._seed

    def begin(self) -> int:
        """Record the track whose turn it is. Raises EpisodeError."""
        seed = self.seed
        self._running = self._recorder.begin({"track": str(seed)})
        return self._running

    def add(self, tick: Tick) -> None:
        """Take one tick of it."""
        self._recorder.add(tick)

    def end(self, outcome: Outcome = "unlabelled", reason: Reason = "stopped", detail: str = "") -> None:
        """End the recording; one that nobody judged was left in the middle, unless the disk was full."""
        if self._running is None:
            return
        if outcome == "unlabelled" and self._running not in self.cut_short:
            outcome = "discarded"
        running, ticks, self._running = self._running, self._recorder.status.ticks, None
        self._recorder.end(outcome, reason, detail)
        if ticks:
            self._entries[running], self.last = (self._seed, outcome), outcome

    def judge(self, index: int, outcome: Outcome) -> None:
        """Take a second thought about a finished recording."""
        self._entries[index], self.last = (self._entries[index][0], outcome), outcome
        self._relabel(index, outcome)
