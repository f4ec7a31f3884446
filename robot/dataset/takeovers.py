"""Why people took over: an append-only file beside the episodes, with lines for each stretch that a person drove.

Who decided at each tick is in the episode itself; this adds what a tick has no place for. A stretch that lasts is
written again as it grows, so that a program that is killed meanwhile costs only the newest part of it.
"""

from pathlib import Path

import msgspec

from leash_robot.robot.dataset.labels import belongs, read_lines, write_line
from leash_robot.robot.dataset.metadata import EpisodeStart

TAKEOVERS = "takeovers.jsonl"


class Stretch(msgspec.Struct, frozen=True):
    """Part of one takeover in one episode."""

    episode: str
    """File name of the episode when it was recorded."""
    takeover: int
    """Number of the takeover in its session."""
    reason: str
    """What help was asked for: `risk`, `tilt`, `discrepancy`; or `person` when it was not."""
    first: int
    """Number of the first tick in the episode at which the person had the authority."""
    ticks: int
    """How many ticks they had it."""
    ended: str
    """`handback`, `released`, `start`, `operator_lost`, `stopped`, `reset`, or `episode` when that ended first; empty
    when the program was killed meanwhile."""
    id: str = ""
    """Of the episode; empty in lines from before there were ids."""


def add_takeover(folder: Path, stretch: Stretch) -> None:
    """Keep one stretch, or what it has grown to. Raises LabelError."""
    write_line(folder / TAKEOVERS, stretch)


def read_takeovers(folder: Path) -> list[Stretch]:
    """All stretches as they were last written, in the order of their beginnings; torn lines are skipped.

    Raises LabelError.
    """
    stretches: dict[tuple[str, int, int], Stretch] = {}
    for line in read_lines(folder / TAKEOVERS, Stretch):
        stretches[line.id or line.episode, line.takeover, line.first] = line
    return list(stretches.values())


def takeovers_of(path: Path, start: EpisodeStart) -> list[Stretch]:
    """The stretches of one episode, by its file and first facts. Raises LabelError."""
    return [line for line in read_takeovers(path.parent) if belongs(line.id, line.episode, path.name, start)]
