"""What a person sees in the terminal while they drive: one line that says everything, and a table of the keys."""

import math
from collections.abc import Callable, Sequence
from typing import Self

from rich.live import Live
from rich.table import Table
from rich.text import Text

from launch.output import console
from robot.types import Source, Tick
from teleop.session import SessionStatus
from teleop.session_states import State

EVERY = 4
"""The line is drawn again after so many ticks."""

COLORS: dict[State, str] = {State.IDLE: "dim", State.RECORDING: "bold red", State.STOPPED: "yellow", State.DONE: "dim"}
DRIVERS: dict[Source, str] = {"human": "driving", "policy": "policy", "hold": "hold", "safety": "STOPPED (re-arm)"}


class Screen:
    """Fits `Log`: draws the line every few ticks, after the tick's action went out."""

    def __init__(self, status: Callable[[], SessionStatus], episodes: int) -> None:
        self._status = status
        self._episodes = episodes
        self._count = 0
        self._late = 0.0
        self._live = Live(console=console, auto_refresh=False, transient=True)

    def __enter__(self) -> Self:
        self._live.__enter__()
        return self

    def __exit__(self, *exc: object) -> None:
        self._live.stop()

    def add(self, tick: Tick) -> None:
        """Note one tick."""
        self._late = max(self._late, tick.obs.late)
        self._count += 1
        if self._count % EVERY == 0:
            self._live.update(line(self._status(), tick, self._episodes, self._late), refresh=True)
            self._late = 0.0


def line(status: SessionStatus, tick: Tick, episodes: int, late: float) -> Text:
    """Session state, episode, command, who drives, lateness [s], age of each camera, and what is wrong."""
    vx, vy, wz = (0.0 if math.isnan(value) else value for value in tick.wanted.command)
    text = Text(f"{status.state.upper():<9} ", style=COLORS[status.state])
    number = status.kept + (status.state is State.RECORDING)
    text.append(f"episode {number}/{episodes} {status.seconds:5.1f} s  ", style="default")
    text.append(f"{DRIVERS[tick.sent.source]:<8} {vx:+.2f} {vy:+.2f} m/s {wz:+.2f} rad/s  ")
    text.append(f"late {late * 1e3:.1f} ms  ", style="red" if late > 0.025 else "default")
    for name, image in tick.obs.images.items():
        age = tick.obs.time + tick.obs.age - image.time
        text.append(f"{name} {age * 1e3:.0f} ms  ", style="red" if age > 0.2 else "default")
    if status.state is State.STOPPED:
        text.append(f"{status.outcome}, {status.undo_left:.0f} s to change  ")
    text.append("; ".join(status.warnings), style="yellow")
    text.truncate(console.width - 1, overflow="ellipsis")
    return text


def keys(title: str, rows: Sequence[tuple[str, str]]) -> Table:
    """The keys or buttons, in two columns."""
    table = Table(title=title, show_header=False, box=None, padding=(0, 2))
    half = (len(rows) + 1) // 2
    for left, right in zip(rows[:half], [*rows[half:], ("", "")], strict=False):
        table.add_row(f"[bold]{left[0]}[/]", left[1], f"[bold]{right[0]}[/]", right[1])
    return table
