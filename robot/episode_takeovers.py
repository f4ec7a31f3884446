"""Why people took over: an append-only file beside the episodes, one line for each stretch that a person drove.

Who decided at each tick is in the episode itself; this adds what a tick has no place for.
"""

from pathlib import Path

import msgspec

from robot.episode_labels import append_line
from robot.errors import LabelError

TAKEOVERS = "takeovers.jsonl"


class Stretch(msgspec.Struct, frozen=True):
    """Part of one takeover in one episode."""

    episode: str
    """File name of the episode."""
    takeover: int
    """Number of the takeover in its session."""
    reason: str
    """What help was asked for: `risk`, `tilt`, `discrepancy`; or `person` when it was not."""
    first: int
    """Number of the first tick in the episode at which the person had the authority."""
    ticks: int
    """How many ticks they had it."""
    ended: str
    """`handback`, `released`, `start`, `operator_lost`, `stopped`, `reset`, or `episode` when that ended first."""


def add_takeover(folder: Path, stretch: Stretch) -> None:
    """Keep one stretch. Raises LabelError."""
    try:
        append_line(folder / TAKEOVERS, msgspec.json.encode(stretch))
    except OSError as error:
        raise LabelError(f"cannot write {folder / TAKEOVERS}: {error.strerror}") from None


def read_takeovers(folder: Path) -> list[Stretch]:
    """All stretches, oldest first; lines that a crash left torn are skipped. Raises LabelError."""
    try:
        lines = (folder / TAKEOVERS).read_bytes().splitlines()
    except FileNotFoundError:
        return []
    except OSError as error:
        raise LabelError(f"cannot read {folder / TAKEOVERS}: {error.strerror}") from None
    stretches: list[Stretch] = []
    for line in lines:
        try:
            stretches.append(msgspec.json.decode(line, type=Stretch))
        except (msgspec.DecodeError, UnicodeDecodeError):
            continue
    return stretches
