"""Recording a collection session: one episode after another, without ever making the loop wait.

The files are written by a process of its own; see recorder_link for how it is kept alive, recorder_scribe for what
it does, and episode_write for what a file is.
"""

import logging
import math
import os
import shutil
import time
import uuid
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from leash_robot.robot.dataset.folder import check_same_body, lock_folder
from leash_robot.robot.dataset.mcap.tick_schema import Layout
from leash_robot.robot.dataset.metadata import Outcome, Reason, reason_of
from leash_robot.robot.dataset.numbers import Numbers
from leash_robot.robot.errors import EpisodeError
from leash_robot.robot.recording.messages import (
    Begin,
    EpisodeDone,
    EpisodeFailed,
    Finish,
    NoteMessage,
    RecorderSetup,
    dated,
)
from leash_robot.robot.recording.supervisor import RecorderLink
from leash_robot.robot.spec import Spec
from leash_robot.robot.types import Tick

ROOM = 256 << 20
"""Bytes that must be free before an episode begins: twice two minutes of one camera."""
PATIENCE = 10.0
"""How long `wait` waits, and how long a recorder may fail to start before it is given up when a session ends [s]."""
SAY = 1.0, 5.0
"""When it is first said what a program waits for that does not end yet, and how often from then on [s]."""

_log = logging.getLogger("leash.recorder")


@dataclass(frozen=True, slots=True)
class Finished:
    """An episode that is complete on disk."""

    index: int
    path: Path
    ticks: int
    outcome: Outcome
    reason: str
    """Why it ended."""
    dropped: int
    """Ticks of it that are not in the file."""
    detail: str = ""
    """What exactly ended it."""


@dataclass(frozen=True, slots=True)
class RecorderStatus:
    """How the recording is doing."""

    recording: bool
    index: int | None
    """The running or the last episode."""
    ticks: int
    """Ticks of that episode, lost ones included."""
    dropped: int
    """Those that could not be recorded."""
    restarts: int
    """How often the recorder process had to be started again."""
    error: str
    """Why nothing is being recorded, in one line; empty when all is well."""


class Recorder:
    """Fits `Log`. Enter it once for a session; ticks between `begin` and `end` make an episode, others are ignored."""

    def __init__(
        self,
        folder: Path | str,
        spec: Spec,
        *,
        calibration_hash: str = "",
        info: Mapping[str, str] | None = None,
        room: int = ROOM,
        nice: int = 5,
        report: Callable[[str], object] = _log.warning,
    ) -> None:
        """`info` is kept in every episode: task, operator. `room` is how many bytes must be free to begin one, `nice`
        the priority of the process that writes; `report` is told what the end of a session waits for.
        """
        self._report = report
        self.folder = Path(folder)
        self._spec, self._room = spec, room
        self._setup = RecorderSetup(
            str(self.folder.absolute()), spec, calibration_hash, dict(info or {}), nice, tidy=True
        )
        self._layout, self._cameras = Layout.of(spec, spec.cameras), tuple(spec.cameras)
        self._begin: Begin | None = None
        self._recording = False
        self._ticks = self._dropped = 0
        self._taken: dict[str, float] = {}
        self._error = ""
        self.last: Finished | None = None
        """The newest complete episode, as far as we have heard."""
        self.notes: list[str] = []
        """What the recorder had to tell: interrupted episodes that it completed, what it could not write."""
        self.cut_short: dict[int, str] = {}
        """Episodes that the disk ended early, and why in one line, as far as we have heard."""
        self.missing: dict[int, str] = {}
        """Episodes that have no file, since not one of their ticks could be recorded, and why in one line."""
        self.ids: dict[str, str] = {}
        """Ids of the episodes of this session, by file name."""

    def __enter__(self) -> Self:
        """Raises EpisodeError when nothing can be written to the folder, it holds episodes of another body, or somebody
        else records into it.
        """
        _check_text({"folder": str(self.folder), **self._setup.info})
        _ = self._layout.blank  # made here, so that the first tick need not wait for it
        try:
            self._open()
        except OSError as error:
            raise EpisodeError(f"cannot record into {self.folder}: {error.strerror}; choose another folder") from None
        return self

    def __exit__(self, *exc: object) -> None:
        """Wait until the last episode is complete, however long that takes; Ctrl-C leaves it to the recorder.

        Raises EpisodeError when it is not complete and nothing worse is under way.
        """
        self.end("unlabelled", *reason_of(exc[1]))
        try:
            self.settle()
        except KeyboardInterrupt:
            self._report(f"the recorder is not waited for: {self._link.left} to go")
        left, process, trouble = self._link.left, self._link.process, self._link.error
        pending, stopped, alive = self._link.pending, self._link.stopped, self._link.close()
        self._numbers.close()
        os.close(self._lock)
        if pending and exc[0] is None:
            what = f"the recorder (process {process}) finishes {left} by itself"
            if stopped:
                what = f"the recorder has {left} to go; `kill -CONT {process}` lets it finish what it has taken of them"
            elif not alive:
                what = f"{left} are lost: {trouble or 'the recorder was killed'}"
            raise EpisodeError(f"{what}; see `leash data list {self.folder}`")

    def begin(self, info: Mapping[str, str] | None = None) -> int:
        """Start an episode; return its number. Raises EpisodeError when one is running or the disk is nearly full."""
        if self._recording:
            raise EpisodeError(f"episode {self._numbers.next - 1} is still running; end it before another begins")
        _check_text(info or {})
        free = self._free()
        if free < self._room:
            raise EpisodeError(
                f"{free >> 20} MB are free in {self.folder}, an episode may need {self._room >> 20} MB; make room first"
            )
        self._begin = Begin(self._numbers.take(), dict(info or {}), uuid.uuid4().hex)
        self.ids[f"episode_{self._begin.index:06d}.mcap"] = self._begin.id
        self._recording, self._ticks, self._dropped, self._error, self._taken = True, 0, 0, "", {}
        return self._begin.index

    def add(self, tick: Tick) -> None:
        """Hand over one tick; never blocks."""
        self._listen()
        if self._begin is None or not self._recording:
            return
        number, self._ticks = self._ticks, self._ticks + 1
        if not self._begin.created and math.isfinite(tick.obs.time + tick.obs.age):
            self._begin = dated(self._begin, tick.obs.time + tick.obs.age)
        frames = {} if self._error else self._new_frames(tick)
        readable = math.isfinite(tick.obs.time + tick.obs.age) and not self._error
        jpegs = [(self._cameras.index(name), tick.obs.images[name].jpeg) for name in frames]
        if readable and self._link.take(self._begin, self._layout.pack(number, tick, self._cameras), jpegs):
            self._taken |= frames
        else:
            self._dropped += 1

    def end(self, outcome: Outcome = "unlabelled", reason: Reason = "stopped", detail: str = "") -> None:
        """End the running episode, if any. It is completed in the background; `wait` or `last` tell when. `detail` says
        for people what exactly ended it.

        One that the disk cut short stays unlabelled, unless it is discarded.
        """
        if self._begin is not None and self._recording:
            if self._begin.index in self.cut_short and outcome != "discarded":
                outcome = "unlabelled"
            self._link.finish(self._begin, Finish(0, outcome, reason, self._ticks, detail))
        self._recording = False

    def wait(self, timeout: float = PATIENCE) -> bool:
        """Wait until everything handed over is safe and ended episodes are complete; False after `timeout` [s]."""
        deadline = time.monotonic() + timeout
        self._listen()
        while self._link.pending and time.monotonic() < deadline:
            self._listen(0.02)
        return not self._link.pending

    def settle(self) -> bool:
        """Wait until everything handed over is safe, however long that takes, and report what is waited for.

        Returns False when the recorder cannot even be started any more.
        """
        begun = time.monotonic()
        said = begun + SAY[0]
        while self._link.pending:
            self._listen(0.02)
            now = time.monotonic()
            if self._link.error and now - begun > PATIENCE:
                return False
            if now > said and self._link.pending:
                said = now + SAY[1]
                self._report(self._waiting())
        return True

    def _waiting(self) -> str:
        process = self._link.process
        stopped = f"; it is stopped, `kill -CONT {process}` lets it go on" if self._link.stopped else ""
        return f"waiting for the recorder (process {process}): {self._link.left} to go{stopped}"

    @property
    def process(self) -> int:
        """Number of the process that writes, for tests that harm it."""
        return self._link.process

    @property
    def status(self) -> RecorderStatus:
        """How the recording is doing now."""
        self._listen()
        index = self._begin.index if self._begin else None
        error = self._error or self._link.error
        return RecorderStatus(self._recording, index, self._ticks, self._dropped, self._link.restarts, error)

    def _open(self) -> None:
        """Take hold of the folder and start the process that writes; let go of the folder if that fails."""
        self.folder.mkdir(parents=True, exist_ok=True)
        self._lock = lock_folder(self.folder)
        with ExitStack() as undo:
            undo.callback(os.close, self._lock)
            check_same_body(self.folder, self._spec)
            self._numbers = Numbers(self.folder)
            undo.callback(self._numbers.close)
            self._link = RecorderLink(self._setup, self._lock)
            undo.pop_all()

    def _free(self) -> int:
        """Bytes that may still be written."""
        try:
            return shutil.disk_usage(self.folder).free
        except OSError as error:
            raise EpisodeError(f"cannot record into {self.folder}: {error.strerror}") from None

    def _new_frames(self, tick: Tick) -> dict[str, float]:
        """Capture times of the frames that the recorder has not got yet, by camera."""
        images = {name: tick.obs.images[name] for name in self._cameras if name in tick.obs.images}
        return {name: image.time for name, image in images.items() if self._taken.get(name) != image.time}

    def _listen(self, wait: float = 0.0) -> None:
        for reply in self._link.replies(wait):
            self._hear(reply)

    def _hear(self, reply: EpisodeDone | EpisodeFailed | NoteMessage) -> None:
        if isinstance(reply, EpisodeDone):
            path = self.folder / (reply.file or f"episode_{reply.index:06d}.mcap")
            facts = (reply.ticks, reply.outcome, reply.reason, reply.dropped, reply.detail)
            self.last = Finished(reply.index, path, *facts)
            if not reply.ticks and reply.dropped:
                self.missing[reply.index] = f"episode {reply.index} has no file: none of its ticks could be recorded"
        elif isinstance(reply, EpisodeFailed):
            self.cut_short[reply.index] = f"episode {reply.index} is cut short: {reply.error}"
            self._error = self.cut_short.get(self._begin.index, "") if self._begin else ""
        else:
            self.notes.append(reply.text)


def _check_text(facts: Mapping[str, str]) -> None:
    """Raise EpisodeError for bytes of a command line that are no UTF-8: an episode could not keep them."""
    for name, value in facts.items():
        if not _is_text(value):
            raise EpisodeError(f"{name} {value!r} is not UTF-8 text; spell it otherwise")


def _is_text(value: str) -> bool:
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True
