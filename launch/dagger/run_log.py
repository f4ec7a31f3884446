"""What a run of DAgger has come to, on disk: what it was asked to do, and the row of every finished round."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

from leash_robot.robot.errors import EpisodeError

NAME = "run.json"
LATER: dict[str, Any] = {"outcomes": ["success", "unlabelled"], "camera_age": 0.2}
"""Options that runs of earlier versions did not have, and what they amount to."""
COLUMNS = ("round", "success", "interval", "progress", "driven", "switches/min", "person s", "in all s", "ticks")


class Row(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One round: what the person did with the policy before it, and how well the policy that came of it drives."""

    round: int
    """0 is cloning of the demonstrations."""
    method: str
    """How its data came about: `demonstrations`, a method of DAgger, or `plain` for the comparison."""
    success: float
    """Part of the unseen tracks that were completed without anybody's help."""
    success_low: float
    """Wilson's 95 % interval."""
    success_high: float
    progress: float
    """Mean part of those tracks that was behind the robot when it ended."""
    off_m: float
    """Root mean square distance from the line [m]."""
    intervention_rate: float
    """Part of the time that the person drove while data was collected; 1 for demonstrations."""
    switches_per_min: float
    """How often the authority changed hands."""
    human_s: float
    """How long the person drove, or said what they would do [s]."""
    human_total_s: float
    """The same since the beginning [s]."""
    ticks: int
    """How many ticks there are to learn from."""
    seconds: float
    """How long the round took."""


def cells(row: Row) -> tuple[str, ...]:
    """A row of the table."""
    return (
        "plain" if row.method == "plain" else str(row.round),
        f"{row.success:.0%}",
        f"{row.success_low:.0%} to {row.success_high:.0%}",
        f"{row.progress:.0%}",
        f"{row.intervention_rate:.1%}",
        f"{row.switches_per_min:.1f}",
        f"{row.human_s:.0f}",
        f"{row.human_total_s:.0f}",
        str(row.ticks),
    )


class Book(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The contents of the file."""

    asked: dict[str, Any]
    """The options of the run that its results depend on."""
    rounds: tuple[Row, ...] = ()
    plain: Row | None = None
    """As many demonstrated ticks and no corrections, for comparison."""


class Ledger:
    """A run's file; each change replaces it as a whole."""

    def __init__(self, folder: Path, asked: dict[str, Any]) -> None:
        """Go on with the run in this folder. Raises EpisodeError when it was asked for something else."""
        self._path = folder / NAME
        asked = msgspec.json.decode(msgspec.json.encode(asked))
        self._make(folder)
        found = self._read()
        self.book = found or Book(asked)
        if found is None:
            self._write(self.book)
        theirs = {**LATER, **self.book.asked}
        if theirs != {**LATER, **asked}:
            raise EpisodeError(f"{folder} holds another run ({_difference(theirs, asked)}); choose another --out")

    def add(self, row: Row) -> None:
        """Keep a finished round."""
        self._write(msgspec.structs.replace(self.book, rounds=(*self.book.rounds, row)))

    def compare(self, row: Row) -> None:
        """Keep the comparison."""
        self._write(msgspec.structs.replace(self.book, plain=row))

    def _read(self) -> Book | None:
        if not self._path.exists():
            return None
        try:
            return msgspec.json.decode(self._path.read_bytes(), type=Book)
        except (OSError, msgspec.MsgspecError) as error:
            raise EpisodeError(f"cannot go on from {self._path}: {error}; choose another --out") from None

    def _make(self, folder: Path) -> None:
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise EpisodeError(f"cannot write to {folder}: {error.strerror}; choose another --out") from None

    def _write(self, book: Book) -> None:
        part = self._path.with_suffix(".part")
        try:
            with part.open("wb") as file:
                file.write(msgspec.json.format(msgspec.json.encode(book)))
                file.flush()
                os.fsync(file.fileno())
            part.replace(self._path)
        except OSError as error:
            raise EpisodeError(
                f"cannot write {self._path}: {error.strerror}; make room, or choose another --out"
            ) from None
        self.book = book


def _difference(theirs: dict[str, Any], ours: dict[str, Any]) -> str:
    before, now = dict(_leaves(theirs)), dict(_leaves(ours))
    names = [name for name in {**before, **now} if before.get(name) != now.get(name)]
    return ", ".join(f"{name} {before.get(name)}, not {now.get(name)}" for name in names[:3])


def _leaves(options: dict[str, Any], place: str = "") -> Iterator[tuple[str, object]]:
    for name, value in options.items():
        if isinstance(value, dict):
            yield from _leaves(value, f"{place}{name}.")
        else:
            yield place + name, value
