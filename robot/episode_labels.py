"""Second thoughts about outcomes: an append-only file beside the episodes, so that no finished recording is changed."""

import errno
import os
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from robot.episode_info import Outcome
from robot.errors import LabelError

LABELS = "labels.jsonl"


class Label(msgspec.Struct, frozen=True):
    """One judgement of one episode."""

    episode: str
    """File name of the episode."""
    outcome: Outcome
    operator: str = ""
    written: str = ""
    """Wall-clock time, ISO 8601 in UTC; for people only."""


def add_label(path: Path, outcome: Outcome, operator: str = "") -> None:
    """Say what became of an episode; the last word counts. Raises LabelError."""
    label = Label(path.name, outcome, operator, datetime.now(UTC).isoformat(timespec="seconds"))
    try:
        append_line(path.with_name(LABELS), msgspec.json.encode(label))
    except OSError as error:
        raise LabelError(f"cannot write {path.with_name(LABELS)}: {error.strerror}") from None


def read_labels(folder: Path) -> dict[str, Outcome]:
    """The last label of each episode, by file name; lines that a crash left torn are skipped. Raises LabelError."""
    try:
        lines = (folder / LABELS).read_bytes().splitlines()
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise LabelError(f"cannot read {folder / LABELS}: {error.strerror}") from None
    labels: dict[str, Outcome] = {}
    for line in lines:
        try:
            label = msgspec.json.decode(line, type=Label)
        except (msgspec.DecodeError, UnicodeDecodeError):
            continue
        labels[label.episode] = label.outcome
    return labels


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
