"""What people noted while they recorded: an append-only file beside the episodes, one line for each note."""

from pathlib import Path

import msgspec

from leash_robot.robot.dataset.labels import read_lines, write_line
from leash_robot.robot.dataset.metadata import EpisodeStart, identity

NOTES = "notes.jsonl"


class Note(msgspec.Struct, frozen=True):
    """One note."""

    episode: int | None
    """Number of the episode that ran, or had ended last, when it was recorded; None before the first."""
    seconds: float
    """How far into it."""
    text: str
    id: str = ""
    """Of the episode; empty before the first, and in lines from before there were ids."""


def add_note(folder: Path, note: Note) -> None:
    """Keep a note. Raises LabelError."""
    write_line(folder / NOTES, note)


def read_notes(folder: Path) -> list[Note]:
    """All notes, oldest first; lines that a crash left torn are skipped. Raises LabelError."""
    return read_lines(folder / NOTES, Note)


def notes_of(path: Path, start: EpisodeStart) -> list[Note]:
    """The notes on one episode, by its file and first facts. Raises LabelError."""
    return [
        note
        for note in read_notes(path.parent)
        if (note.id == identity(start) if note.id or start.id else note.episode == start.index)
    ]
