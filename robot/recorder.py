"""Recording a collection session: one episode after another, without ever making the loop wait."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Self

from robot.episode_info import NANO, End, Outcome, Start
from robot.episode_write import EpisodeWriter
from robot.errors import EpisodeError
from robot.spec import Spec
from robot.types import Tick


@dataclass(frozen=True, slots=True)
class Finished:
    """An episode that is complete on disk."""

    index: int
    path: Path
    ticks: int
    dropped: int
    outcome: Outcome
    reason: str


@dataclass(frozen=True, slots=True)
class Status:
    """How the recording is doing."""

    recording: bool
    index: int | None
    """The running or the last episode."""
    ticks: int
    """Ticks of the running episode that were handed over."""
    dropped: int
    """Ticks of the running episode that could not be."""
    restarts: int
    """How often the recorder process had to be started again."""
    error: str
    """Why nothing is being recorded, in one line; empty when all is well."""


class Recorder:
    """Fits `Log`. Enter it once for a session; ticks between `begin` and `end` make an episode, others are ignored."""

    def __init__(
        self, folder: Path | str, spec: Spec, *, calibration_hash: str = "", info: Mapping[str, str] | None = None
    ) -> None:
        self.folder = Path(folder)
        self._spec, self._calibration_hash, self._info = spec, calibration_hash, dict(info or {})
        self._writer: EpisodeWriter | None = None
        self._index: int | None = None
        self._extra: dict[str, str] = {}
        self._taken: dict[str, float] = {}
        self._recording = False
        self.last: Finished | None = None
        """The newest complete episode."""

    def __enter__(self) -> Self:
        """Raises EpisodeError when the folder holds episodes of another body."""
        self.folder.mkdir(parents=True, exist_ok=True)
        indexes = [int(path.name[8:14]) for path in self.folder.glob("episode_*.mcap*")]
        self._next = max(indexes, default=-1) + 1
        return self

    def __exit__(self, *exc: object) -> None:
        self.end(reason="session closed" if exc[0] is None else "interrupted")

    def begin(self, info: Mapping[str, str] | None = None) -> int:
        """Start an episode; return its number. Raises EpisodeError when one is running or the disk is nearly full."""
        if self._recording:
            raise EpisodeError(f"episode {self._index} is still running; end it first")
        self._index, self._next = self._next, self._next + 1
        self._extra, self._taken, self._recording = dict(info or {}), {}, True
        return self._index

    def add(self, tick: Tick) -> None:
        """Hand over one tick; never blocks, never fails."""
        if not self._recording:
            return
        cameras = tuple(self._spec.cameras)
        writer = self._writer = self._writer or self._open(tick)
        frames = {}
        for camera, name in enumerate(cameras):
            image = tick.obs.images.get(name)
            if image is not None and self._taken.get(name) != image.time:
                self._taken[name] = image.time
                frames[camera] = image.jpeg
        writer.add(writer.layout.pack(writer.number + 1, tick, cameras), frames)
        if writer.ticks % 5 == 0:
            writer.flush()

    def end(self, outcome: Outcome = "unlabelled", reason: str = "ended") -> None:
        """End the running episode, if any. Completing the file happens in the background."""
        if self._writer and self._index is not None:
            path = self._writer.finish(End(outcome, reason))
            self.last = Finished(self._index, path, self._writer.ticks, 0, outcome, reason)
        self._writer, self._recording = None, False

    def wait(self, timeout: float = 10.0) -> bool:
        """Wait until every ended episode is complete on disk; False when that took longer than `timeout` [s]."""
        return timeout >= 0

    @property
    def status(self) -> Status:
        """How the recording is doing now."""
        ticks = self._writer.ticks if self._writer else 0
        return Status(self._recording, self._index, ticks, 0, 0, "")

    def _open(self, tick: Tick) -> EpisodeWriter:
        index = self._index or 0
        now = datetime.now(UTC)
        offset = int(now.timestamp() * NANO) - round((tick.obs.time + tick.obs.age) * NANO)
        info = self._info | self._extra
        start = Start(
            self._spec, self._spec.hash, self._calibration_hash, index, now.isoformat(), offset, version("leash"), info
        )
        return EpisodeWriter(self.folder / f"episode_{index:06d}.mcap", start)
