"""Which tracks of a round are driven and which are left, where a person may take a recording back."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence

from leash_robot.robot.dataset.metadata import Outcome, Reason
from leash_robot.robot.dataset.tracks import Entry, kept
from leash_robot.robot.recording.recorder import Recorder
from leash_robot.robot.types import Tick


class TrackProgress:
    """Fits `EpisodeRecorder`: hands everything on, and keeps account of the tracks.

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
    def target(self) -> int:
        """How many recordings shall be kept."""
        return len(self._seeds)

    @property
    def full(self) -> bool:
        """Whether there is nothing left to drive."""
        return self.kept >= self.target

    @property
    def seed(self) -> int:
        """The next track; when all are driven, the last one."""
        if not self.recording and not self.full:
            driven = {self._entries[index][0] for index in self._kept}
            self._seed = next((seed for seed in self._seeds if seed not in driven), self._seed)
        return self._seed

    def begin(self) -> int:
        """Record the next track. Raises EpisodeError."""
        seed = self.seed
        self._running = self._recorder.begin({"track": str(seed)})
        return self._running

    def add(self, tick: Tick) -> None:
        """Take one tick of it."""
        self._recorder.add(tick)

    def end(self, outcome: Outcome = "unlabelled", reason: Reason = "stopped", detail: str = "") -> None:
        """End the recording; an unlabelled one was left in the middle, unless the disk was full."""
        if self._running is None:
            return
        if outcome == "unlabelled" and self._running not in self.cut_short:
            outcome = "discarded"
        running, ticks, self._running = self._running, self._recorder.status.ticks, None
        self._recorder.end(outcome, reason, detail)
        if ticks:
            self._entries[running], self.last = (self._seed, outcome), outcome

    def relabel(self, index: int, outcome: Outcome) -> None:
        """Change the label of a finished recording."""
        self._entries[index], self.last = (self._entries[index][0], outcome), outcome
        self._relabel(index, outcome)
