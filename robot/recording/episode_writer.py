"""The recorder process's work, without its sockets: requests in, episode files out, replies to the control process."""

import errno
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path

import msgspec
import numpy as np

from leash_robot.robot.dataset.folder import keep_index
from leash_robot.robot.dataset.mcap.scan import map_file, read_start, scan
from leash_robot.robot.dataset.mcap.tick_schema import Layout
from leash_robot.robot.dataset.mcap.writer import PARTIAL, EpisodeWriter, partial
from leash_robot.robot.dataset.metadata import End, EpisodeStart
from leash_robot.robot.dataset.repair import leftovers, seal
from leash_robot.robot.errors import EpisodeError
from leash_robot.robot.recording.messages import (
    Begin,
    EpisodeDone,
    EpisodeFailed,
    Finish,
    NoteMessage,
    RecorderSetup,
    Reply,
    Safe,
)

FLUSH = 0.25
"""A tick is with the kernel this long after it arrived, at most [s]."""
SYNC = 0.5
"""A tick is on the disk about this long after it arrived, at most [s]."""
GROUP = 1 << 20
"""Bytes that are handed to the kernel at once, however soon; so a backlog, too, is written in parts that count."""
FULL = {errno.ENOSPC, errno.EDQUOT}
"""What the operating system calls a full disk."""
RESERVE = 4 << 20
"""Bytes held back, so that an episode can be completed on a disk that became full: an hour's index."""


class Scribe:
    """Writes the episodes of one session. Trouble with the disk is told to the control process, never raised."""

    def __init__(self, setup: RecorderSetup, reply: Callable[[Reply], None]) -> None:
        self._setup, self._reply = setup, reply
        self._folder = Path(setup.folder)
        self._dtype = Layout.of(setup.spec, setup.spec.cameras).dtype
        self._begin = Begin(-1, {})
        self._path = self._folder
        self._writer: EpisodeWriter | None = None
        self._over = True
        """Nothing more is taken for the current episode."""
        self._cut = ""
        """Why the disk ended it early, if it did."""
        self._end: End | None = None
        """How it ended, once it is complete or given up."""
        self._item = self._safe = -1
        self._flushed = self._synced = 0.0
        if setup.tidy:
            self._tidy()

    def begin(self, begin: Begin) -> None:
        """Turn to an episode: a new one, one that a crash interrupted, or one completed just before a crash."""
        self._begin, self._path = begin, self._place(begin)
        self._writer, self._over, self._cut, self._end = None, self._path.exists(), "", None
        with self._disk():
            if self._over:
                self._end = scan(map_file(self._path)).end
            keep_index(self._folder, begin.index)
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
            self._writer = self._writer or self._open()
            if tick["number"] > self._writer.number:
                self._writer.add(row, frames)

    def finish(self, request: Finish) -> None:
        """Complete the episode. One that the disk cut short is nobody's success or failure, at most discarded."""
        self._item = request.item
        end = self._complete(End(request.outcome, request.reason, detail=request.detail), request.total)
        file = self._path.name if end.ticks else ""
        self._reply(EpisodeDone(self._begin.index, end.ticks, end.outcome, end.reason, end.dropped, end.detail, file))
        self._confirm()

    def close(self, detail: str) -> None:
        """Complete the episode under way, if any, as far as it came; it was interrupted."""
        if self._writer is not None:
            self._complete(End(reason="interrupted", detail=detail), self._writer.number + 1)

    def due(self, now: float) -> None:
        """Flush and sync what has waited long enough, or is much; call this often."""
        if now - self._flushed >= FLUSH or (self._writer and self._writer.waiting >= GROUP):
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
                ticks = seal(path, "a crash")
                self._reply(NoteMessage(f"{path.name} was interrupted by a crash; its {ticks} ticks are kept"))
            except (EpisodeError, OSError) as error:
                self._reply(NoteMessage(f"{path.name} was interrupted by a crash and stays unfinished: {error}"))

    def _resume(self) -> None:
        """Note: a file without a readable beginning holds no tick, and all ticks are still with the control process."""
        try:
            self._writer = EpisodeWriter.resume(self._path)
        except EpisodeError as error:
            damaged = partial(self._path).rename(self._path.with_suffix(".damaged"))
            self._reply(NoteMessage(f"{damaged} is set aside: {error}"))

    def _place(self, begin: Begin) -> Path:
        """The file that the episode has from before a crash, or else the first that is nobody's."""
        path = self._folder / f"episode_{begin.index:06d}.mcap"
        while not (_may_be(path, begin.id) and _may_be(partial(path), begin.id)):
            path = self._folder / f"episode_{int(path.stem[8:]) + 1:06d}.mcap"
        return path

    def _open(self) -> EpisodeWriter:
        start = EpisodeStart(
            spec=self._setup.spec,
            spec_hash=self._setup.spec.hash,
            calibration_hash=self._setup.calibration_hash,
            index=self._begin.index,
            created=self._begin.created,
            clock_offset=self._begin.clock_offset,
            version=version("leash-robot"),
            info=self._setup.info | self._begin.info,
            id=self._begin.id,
        )
        return EpisodeWriter(self._path, start)

    def _complete(self, end: End, total: int) -> End:
        """Complete the file unless that is done, and return how the episode ended; without a tick there is no file."""
        if self._end is None:
            self._end = self._write_end(end, total)
            self._over = True
        return self._end

    def _write_end(self, end: End, total: int) -> End:
        with self._disk():
            if not self._cut:
                end = self._counted(end, total)
                if self._writer:
                    self._path = self._writer.finish(end)
                return end
        return self._finish_cut(msgspec.structs.replace(end, reason="fault", detail=self._cut), total)

    def _finish_cut(self, end: End, total: int) -> End:
        """Note: only now, so that `total` counts what came after the cut too. Done in the room that was held back."""
        self._reserve.unlink(missing_ok=True)
        if end.outcome != "discarded":
            end = msgspec.structs.replace(end, outcome="unlabelled")
        end = self._counted(end, total)
        if self._writer:
            try:
                self._path = self._writer.finish(end)
            except OSError:
                self._writer.close()
        return end

    def _counted(self, end: End, total: int) -> End:
        ticks = self._writer.ticks if self._writer else 0
        return msgspec.structs.replace(end, ticks=ticks, dropped=total - ticks)

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
        """Turn a failing disk into an episode that is cut short here, to be completed when it ends, and a message."""
        try:
            yield
        except OSError as error:
            text = f"cannot write to {self._folder}: {error.strerror}"
            if self._over:
                self._reply(NoteMessage(text))
            else:
                self._over = True
                self._cut = "disk full" if error.errno in FULL else f"disk failed: {error.strerror}"
                if self._writer:
                    self._writer.forget()
                self._reply(EpisodeFailed(self._begin.index, text))


def _may_be(path: Path, id: str) -> bool:
    """Whether an episode may have this file: nothing is there, or what its recorder has begun or completed itself.

    Note: an unfinished file whose beginning cannot be read is what a crash left of ours.
    """
    try:
        return read_start(map_file(path)).id == id
    except FileNotFoundError:
        return True
    except (EpisodeError, OSError):
        return path.suffix == PARTIAL
