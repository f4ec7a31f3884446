"""Finishing what a crash interrupted, and saving what is whole of a damaged file. Originals are kept."""

from pathlib import Path

from robot.episode_info import End
from robot.episode_write import PARTIAL, EpisodeWriter


def leftovers(folder: Path) -> list[Path]:
    """Unfinished episodes of a folder, by the names they would have if they were finished."""
    return [path.with_name(path.name.removesuffix(PARTIAL)) for path in sorted(folder.glob("episode_*.mcap" + PARTIAL))]


def seal(path: Path, reason: str) -> int:
    """Finish an interrupted episode in place and return how many ticks it has; one without any is removed.

    Raises EpisodeError when something before the cut is damaged, and OSError.
    """
    writer = EpisodeWriter.resume(path)
    if writer.ticks:
        writer.finish(End(reason=reason, dropped=writer.number + 1 - writer.ticks))
    else:
        writer.discard()
    return writer.ticks
