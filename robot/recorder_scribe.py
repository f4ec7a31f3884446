"""The recorder process's work, without its sockets: requests in, episode files out, replies to the control process."""

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

import msgspec
import numpy as np

from robot.episode_info import NANO, End, Start
from robot.episode_labels import add_label
from robot.episode_layout import Layout
from robot.episode_repair import leftovers, seal
from robot.episode_scan import map_file, scan
from robot.episode_write import EpisodeWriter, partial
from robot.errors import EpisodeError
from robot.recorder_wire import Begin, Done, Failed, Finish, Note, Reply, Safe, Setup

FLUSH = 0.25
"""A tick is with the kernel this long after it arrived, at most [s]."""
SYNC = 0.5
"""A tick is on the disk about this long after it arrived, at most [s]."""
RESERVE = 4 << 20
"""Bytes held back, so that an episode can be completed on a disk that became full: an hour's index."""


class Scribe:
    """Writes the episodes of one session. Trouble with the disk is told to the control process, never raised."""

    def __init__(self, setup: Setup, reply: Callable[[Reply], None]) -> None:
        self._setup, self._reply = setup, reply
        self._folder = Path(setup.folder)
        self._dtype = Layout(len(setup.spec.joints), len(setup.spec.cameras)).dtype
        self._index, self._info = -1, setup.info
        self._writer: EpisodeWriter | None = None
        self._over = True
        """Nothing more is taken for the current episode."""
        self._item = self._safe = -1
        self._flushed = self._synced = 0.0
        if setup.tidy:
            self._tidy()

    @property
    def _path(self) -> Path:
        return self._folder / f"episode_{self._index:06d}.mcap"

    def begin(self, begin: Begin) -> None:
        """Turn to an episode: a new one, one that a crash interrupted, or one completed just before a crash."""
        self._index, self._info = begin.index, self._setup.info | begin.info
        self._writer, self._over = None, self._path.exists()
        with self._disk():
            self._hold_back()
            if partial(self._path).exists():
                self._resume()

    def take(self, item: int, row: bytes, frames: Mapping[int, bytes]) -> None:
        """Take one tick and the JPEGs of its new frames by camera number, unless they are in the file already."""
        self._item = item
        if self._over:
            return
        with self._disk():
            tick = np.frombuffer(row, self._dtype)[0]
            self._writer = self._writer or self._open(float(tick["time"] + tick["age"]))
            if tick["number"] > self._writer.number:
                self._writer.add(row, frames)

    def finish(self, request: Finish) -> None:
        """Complete the episode; if that was done before its outcome was known, keep the outcome as a label."""
        self._item = request.item
        self._complete(End(request.outcome, request.reason), request.total)
        with self._disk():
            end = self._recorded()
            if end.ticks and end.outcome != request.outcome:
                add_label(self._path, request.outcome)
            self._reply(Done(self._index, end.ticks, request.outcome, end.reason))
        self._confirm()

    def close(self, reason: str) -> None:
        """Complete the episode under way, if any, as far as it came."""
        if self._writer is not None:
            self._complete(End(reason=reason), self._writer.number + 1)

    def due(self, now: float) -> None:
        """Flush and sync what has waited long enough; call this often."""
        if now - self._flushed >= FLUSH:
            self._flushed = now
            with self._disk():
                if self._writer and not self._over:
                    self._writer.flush()
                self._confirm()
        if now - self._synced >= SYNC:
            self._synced = now
            with self._disk():
                if self._writer and not self._over:
                    self._writer.sync()

    def _tidy(self) -> None:
        """Complete what an earlier session left; what is damaged stays as it is, for a person to see."""
        for path in leftovers(self._folder):
            try:
                ticks = seal(path, "interrupted by a crash")
                self._reply(Note(f"{path.name} was interrupted by a crash; its {ticks} ticks are kept"))
            except (EpisodeError, OSError) as error:
                self._reply(Note(f"{path.name} was interrupted by a crash and stays unfinished: {error}"))

    def _resume(self) -> None:
        """Note: a file without a readable beginning holds no tick, and all ticks are still with the control process."""
        try:
            self._writer = EpisodeWriter.resume(self._path)
        except EpisodeError as error:
            damaged = partial(self._path).rename(self._path.with_suffix(".damaged"))
            self._reply(Note(f"{damaged} is set aside: {error}"))

    def _open(self, time: float) -> EpisodeWriter:
        now = datetime.now(UTC)
        start = Start(
            spec=self._setup.spec,
            spec_hash=self._setup.spec.hash,
            calibration_hash=self._setup.calibration_hash,
            index=self._index,
            created=now.isoformat(timespec="milliseconds"),
            clock_offset=int(now.timestamp() * NANO) - round(time * NANO),
            version=version("leash"),
            info=self._info,
        )
        return EpisodeWriter(self._path, start)

    def _complete(self, end: End, total: int) -> None:
        with self._disk():
            if self._writer and not self._over:
                self._writer.finish(msgspec.structs.replace(end, dropped=total - self._writer.ticks))
            self._over = True

    def _recorded(self) -> End:
        """How the file says that the episode ended; an episode without a tick has no file."""
        found = scan(map_file(self._path)).end if self._path.exists() else None
        return found or End(ticks=self._writer.ticks if self._writer else 0)

    def _confirm(self) -> None:
        if self._item > self._safe:
            self._safe = self._item
            self._reply(Safe(self._item))

    def _hold_back(self) -> None:
        descriptor = os.open(self._reserve, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            os.posix_fallocate(descriptor, 0, RESERVE)
        finally:
            os.close(descriptor)

    @property
    def _reserve(self) -> Path:
        return self._folder / ".reserve"

    @contextmanager
    def _disk(self) -> Iterator[None]:
        """Turn a failing disk into an episode that ends here, complete and valid, and a message."""
        try:
            yield
        except OSError as error:
            text = f"cannot write to {self._folder}: {error.strerror}"
            if self._over:
                self._reply(Note(text))
            else:
                self._over = True
                self._cut_short(text)
                self._reply(Failed(self._index, text))

    def _cut_short(self, reason: str) -> None:
        self._reserve.unlink(missing_ok=True)
        if self._writer is None:
            return
        self._writer.forget()
        try:
            self._writer.finish(End(reason=reason, dropped=self._writer.number + 1 - self._writer.ticks))
        except OSError:
            self._writer.close()
