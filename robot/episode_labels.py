"""Second thoughts about outcomes: an append-only file beside the episodes, so that no finished recording is changed."""

import os
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from robot.episode_info import Outcome

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
    """Say what became of an episode; the last word counts."""
    label = Label(path.name, outcome, operator, datetime.now(UTC).isoformat(timespec="seconds"))
    descriptor = os.open(path.with_name(LABELS), os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        size = os.fstat(descriptor).st_size
        torn = size and os.pread(descriptor, 1, size - 1) != b"\n"
        os.write(descriptor, b"\n" * bool(torn) + msgspec.json.encode(label) + b"\n")
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def read_labels(folder: Path) -> dict[str, Outcome]:
    """The last label of each episode, by file name; lines that a crash left torn are skipped."""
    try:
        lines = (folder / LABELS).read_bytes().splitlines()
    except FileNotFoundError:
        return {}
    labels: dict[str, Outcome] = {}
    for line in lines:
        try:
            label = msgspec.json.decode(line, type=Label)
        except (msgspec.DecodeError, UnicodeDecodeError):
            continue
        labels[label.episode] = label.outcome
    return labels
