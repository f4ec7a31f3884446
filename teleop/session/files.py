"""Files beside the episodes of a recording session: later labels and notes; and the outcomes that a folder holds."""

import contextlib
from collections import Counter
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import ParamSpec, Self

from leash_robot.robot.dataset.episode import list_episodes, read_episode
from leash_robot.robot.dataset.labels import add_label
from leash_robot.robot.dataset.metadata import Outcome
from leash_robot.robot.dataset.notes import Note, add_note
from leash_robot.robot.errors import EpisodeError

P = ParamSpec("P")


def outcomes(folder: Path) -> Counter[Outcome]:
    """How many finished episodes of each outcome a folder holds; damaged ones do not count."""
    counts: Counter[Outcome] = Counter()
    for path in list_episodes(folder) if folder.exists() else []:
        with contextlib.suppress(EpisodeError):
            counts[read_episode(path).outcome] += 1
    return counts


class BackgroundWriter:
    """Writes in a thread of its own, in order and at once: the loop never waits for the disk, and a kill of the program
    costs only what the disk has not taken yet.
    """

    def __init__(self) -> None:
        self._writer = ThreadPoolExecutor(1)
        self._closed = False
        self.lost: list[str] = []
        """What could not be written, and why, in one line each."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self._writer.shutdown()
        self._closed = True

    def write(self, lost: str, write: Callable[P, None], *args: P.args, **options: P.kwargs) -> None:
        """Call `write` in the thread; `lost` is what to tell people when it fails. After the end of the loop the call
        waits, since the last label may come only then.
        """

        def check(done: Future[None]) -> None:
            if error := done.exception():
                self.lost.append(f"{error}; {lost}")

        writer = ThreadPoolExecutor(1) if self._closed else self._writer
        writer.submit(write, *args, **options).add_done_callback(check)
        if self._closed:
            writer.shutdown()


class LabelWriter(BackgroundWriter):
    """Writes labels that change after an episode's end."""

    def __init__(self, folder: Path, ids: Mapping[str, str]) -> None:
        """`ids` are those of the session's episodes by file name."""
        super().__init__()
        self._folder, self._ids = folder, ids

    def __call__(self, index: int, outcome: Outcome) -> None:
        """Write the label of an episode; does not wait."""
        path = self._folder / f"episode_{index:06d}.mcap"
        lost = f"say it again: `leash data label {path} {outcome}`"
        self.write(lost, add_label, path, outcome, id=self._ids.get(path.name, ""))


class NoteWriter(BackgroundWriter):
    """Writes notes."""

    def __init__(self, folder: Path, ids: Mapping[str, str]) -> None:
        """`ids` are those of the session's episodes by file name."""
        super().__init__()
        self._folder, self._ids = folder, ids

    def __call__(self, index: int | None, seconds: float, text: str) -> None:
        """Keep a note; does not wait."""
        id = "" if index is None else self._ids.get(f"episode_{index:06d}.mcap", "")
        self.write(f"the note was {text!r}", add_note, self._folder, Note(index, seconds, text, id))


def full(folder: Path, kept: int, target: int) -> str:
    """What to say of a folder that holds enough episodes; empty where it does not."""
    if kept < target:
        return ""
    count = max(target, 1)
    return f"{folder} holds {kept} of {target} episodes; --episodes {kept + count} for {count} more"
