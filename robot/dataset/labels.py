"""Second thoughts about outcomes: an append-only file beside the episodes, so that no finished recording is changed.

A label belongs to an episode by its id, whatever its file is called by then; labels from before there were ids, to the
episode of that file name, if that is as old.
"""

import errno
import os
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeVar

import msgspec

from leash_robot.robot.dataset.mcap.scan import map_file, read_start
from leash_robot.robot.dataset.metadata import EpisodeStart, Outcome, identity
from leash_robot.robot.errors import EpisodeError, LabelError

LABELS = "labels.jsonl"

T = TypeVar("T", bound=msgspec.Struct)


class Label(msgspec.Struct, frozen=True):
    """One judgement of one episode."""

    episode: str
    """File name of the episode when it was judged."""
    outcome: Outcome
    operator: str = ""
    written: str = ""
    """Wall-clock time, ISO 8601 in UTC; for people only."""
    id: str = ""
    """Of the episode; empty in lines from before there were ids."""


def add_label(path: Path, outcome: Outcome, operator: str = "", *, id: str = "") -> None:
    """Say what became of an episode; the last word counts. Its id is read from its file unless given.

    Raises LabelError when the label cannot be written, or there is no such episode.
    """
    label = Label(path.name, outcome, operator, datetime.now(UTC).isoformat(timespec="seconds"), id or id_of(path))
    write_line(path.with_name(LABELS), label)


def read_labels(folder: Path) -> list[Label]:
    """All labels, oldest first; lines that a crash left torn are skipped. Raises LabelError."""
    return read_lines(folder / LABELS, Label)


def label_of(labels: Sequence[Label], name: str, start: EpisodeStart) -> Outcome | None:
    """The last label of an episode, by its id; by its file name where both are from before there were ids."""
    return next((label.outcome for label in reversed(labels) if belongs(label.id, label.episode, name, start)), None)


def belongs(id: str, episode: str, name: str, start: EpisodeStart) -> bool:
    """Whether what was written of an id, or of a file name, is about the episode in the file `name`."""
    return id == identity(start) if id or start.id else episode == name


def id_of(path: Path) -> str:
    """The id of an episode by its file. Raises LabelError."""
    try:
        return identity(read_start(map_file(path)))
    except OSError as error:
        raise LabelError(f"cannot label {path}: {error.strerror}") from None
    except EpisodeError as error:
        raise LabelError(f"cannot label {path}: {error}") from None


def write_line(path: Path, line: msgspec.Struct) -> None:
    """Add a line to a file and wait for the disk. Raises LabelError."""
    try:
        append_line(path, msgspec.json.encode(line))
    except OSError as error:
        raise LabelError(f"cannot write {path}: {error.strerror}") from None


def read_lines(path: Path, kind: type[T]) -> list[T]:
    """All lines of a file, oldest first; those that a crash left torn are skipped. Raises LabelError."""
    try:
        lines = path.read_bytes().splitlines()
    except FileNotFoundError:
        return []
    except OSError as error:
        raise LabelError(f"cannot read {path}: {error.strerror}") from None
    found: list[T] = []
    for line in lines:
        try:
            found.append(msgspec.json.decode(line, type=kind))
        except (msgspec.DecodeError, UnicodeDecodeError):
            continue
    return found


def append_line(path: Path, line: bytes) -> None:
    """Add a line to a file and wait for the disk. Raises OSError.

    Note: what follows a line that a crash or a full disk left torn begins on a line of its own.
    """
    descriptor = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        size = os.fstat(descriptor).st_size
        torn = size and os.pread(descriptor, 1, size - 1) != b"\n"
        data = b"\n" * bool(torn) + line + b"\n"
        if os.write(descriptor, data) < len(data):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
