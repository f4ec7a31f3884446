"""What a recording session leaves beside its episodes, and what it finds there: outcomes, second thoughts, notes."""

import contextlib
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import msgspec

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


@contextlib.contextmanager
def relabelling(folder: Path) -> Iterator[Callable[[int, Outcome], None]]:
    """Write second thoughts beside the loop, for each waits on the disk."""
    with ThreadPoolExecutor(1) as writer:

        def relabel(index: int, outcome: Outcome) -> None:
            writer.submit(add_label, folder / f"episode_{index:06d}.mcap", outcome)

        yield relabel


def keep_notes(folder: Path, session: Session) -> None:
    """Append what was noted to notes.jsonl beside the episodes: episode, seconds into it, text."""
    rows = [{"episode": index, "seconds": seconds, "text": text} for index, seconds, text in session.notes]
    if rows:
        with (folder / "notes.jsonl").open("ab") as file:
            file.write(b"".join(msgspec.json.encode(row) + b"\n" for row in rows))
