"""What a recording session leaves beside its episodes, and what it finds there: outcomes, second thoughts, notes."""

import contextlib
from collections import Counter
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Self

import msgspec

from launch.output import console
from robot.episode import list_episodes, read_episode
from robot.episode_info import Outcome
from robot.episode_labels import add_label
from robot.errors import EpisodeError
from teleop.session import Session


def outcomes(folder: Path) -> Counter[Outcome]:
    """How many finished episodes of each outcome a folder holds; damaged ones do not count."""
    counts: Counter[Outcome] = Counter()
    for path in list_episodes(folder) if folder.exists() else []:
        with contextlib.suppress(EpisodeError):
            counts[read_episode(path).outcome] += 1
    return counts


class Relabel:
    """Writes second thoughts beside the loop, for each waits on the disk."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._writer = ThreadPoolExecutor(1)
        self.lost: list[str] = []
        """Those that could not be written, and why, in one line each."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self._writer.shutdown()

    def __call__(self, index: int, outcome: Outcome) -> None:
        """Say what became of an episode; does not wait."""
        path = self._folder / f"episode_{index:06d}.mcap"

        def check(done: Future[None]) -> None:
            if error := done.exception():
                self.lost.append(f"{error}; say it again: `leash data label {path} {outcome}`")

        self._writer.submit(add_label, path, outcome).add_done_callback(check)


def keep_notes(folder: Path, session: Session) -> None:
    """Append what was noted to notes.jsonl beside the episodes: episode, seconds into it, text; or else print it."""
    rows = [{"episode": index, "seconds": seconds, "text": text} for index, seconds, text in session.notes]
    if rows:
        lines = b"".join(msgspec.json.encode(row) + b"\n" for row in rows)
        try:
            with (folder / "notes.jsonl").open("ab") as file:
                file.write(lines)
        except OSError as error:
            text = f"cannot write {folder / 'notes.jsonl'}: {error.strerror}; the notes were\n{lines.decode().rstrip()}"
            console.print(text, style="bold red", highlight=False, markup=False, soft_wrap=True)
