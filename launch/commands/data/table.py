"""Recordings as a table that fits the terminal."""

import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

Row = Mapping[str, Any]

COLUMNS: Mapping[str, Callable[[Row], str]] = {
    "episode": lambda row: _number(Path(row["file"]).name),
    "ticks": lambda row: str(row["ticks"]),
    "s": lambda row: f"{row['seconds']:.1f}",
    "outcome": lambda row: str(row["outcome"]),
    "driven by": lambda row: _driver(row["drove"]),
    "late p99": lambda row: f"{row['late_p99_ms']:.1f} ms",
    "frames": lambda row: str(sum(row["cameras"].values())),
    "MB": lambda row: f"{row['size_mb']:.1f}",
    "state": lambda row: str(row["state"]),
}
ALWAYS = {"episode", "MB", "state"}
"""What is known of a damaged recording too."""
DISPENSABLE = ("frames", "MB", "late p99", "s")
"""What is left out where it does not fit, first things first."""


def table(rows: Sequence[Row], width: int) -> Table:
    """Episodes, for people, in lines of at most `width` characters if that can be."""
    names = list(COLUMNS)
    for name in DISPENSABLE:
        made = _draw(rows, names)
        if Console(width=1000).measure(made).maximum <= width:
            return made
        names.remove(name)
    return _draw(rows, names)


def _draw(rows: Sequence[Row], names: Sequence[str]) -> Table:
    made = Table()
    for name in names:
        made.add_column(name, no_wrap=True)
    for row in rows:
        damaged = row["state"] == "damaged"
        cells = ["" if damaged and name not in ALWAYS else escape(COLUMNS[name](row)) for name in names]
        made.add_row(*cells, style="red" if damaged else None)
    return made


def _number(name: str) -> str:
    """The number of an episode, or the name of a file that is not called like one."""
    found = re.match(r"episode_(\d{6,})\.", name)
    return found[1] if found else name


def _driver(drove: Mapping[str, float]) -> str:
    """Who decided most of it, and how much."""
    name = max(drove, key=lambda name: drove[name], default="")
    return f"{name} {drove[name]:.0%}" if name else ""
