"""What a person sees in the terminal while they drive: two lines that say everything, and a table of the keys."""

import math
from collections.abc import Callable, Sequence
from typing import Self

from rich.live import Live
from rich.table import Table
from rich.text import Text

from leash_robot.launch.reporting.output import console
from leash_robot.robot.types import Array, Source, Tick
from leash_robot.teleop.session.episodes import SessionStatus
from leash_robot.teleop.session.states import SessionState

EVERY = 4
"""The lines are drawn again after so many ticks."""

STATES: dict[SessionState, tuple[str, str]] = {
    SessionState.IDLE: ("ready", "bold"),
    SessionState.RECORDING: ("● REC", "bold red"),
    SessionState.STOPPED: ("ended", "bold yellow"),
    SessionState.DONE: ("done", "bold"),
}
"""What each state is called on the screen, and its style."""

DRIVERS: dict[Source, tuple[str, str]] = {
    "human": ("driving", "green"),
    "policy": ("policy", "cyan"),
    "hold": ("hold", "default"),
    "safety": ("ROBOT STOPPED, see to it and re-arm", "bold red"),
}


class Screen:
    """Fits `Log`: draws the lines every few ticks, after the tick's action went out."""

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
            self._live.update(lines(self._status(), tick, self._episodes, self._late, console.width - 1), refresh=True)
            self._late = 0.0


def lines(status: SessionStatus, tick: Tick, episodes: int, late: float, width: int) -> Text:
    """Two lines: state, episode, who drives where; lateness [s], age of each camera, label, and what is wrong."""
    number = status.kept + (status.state is SessionState.RECORDING)
    top = Text.assemble(STATES[status.state], f"  episode {number}/{episodes} {status.seconds:5.1f} s  ")
    top.append_text(Text.assemble(DRIVERS[tick.sent.source], f"  {commanded(tick.wanted.command)}"))
    below = Text.assemble((f"late {late * 1e3:.1f} ms  ", "red" if late > 0.025 else "default"))
    for name, image in tick.obs.images.items():
        age = tick.obs.time + tick.obs.age - image.time
        below.append(f"{name} {age * 1e3:.0f} ms  ", style="red" if age > 0.2 else "default")
    if status.state is SessionState.STOPPED:
        below.append(f"{status.outcome}, {status.undo_left:.0f} s to change  ")
    below.append("; ".join(status.warnings), style="yellow")
    for text in (top, below):
        text.truncate(width, overflow="ellipsis")
    return Text("\n").join((top, below))


def commanded(command: Array) -> str:
    """A command (k,), for people; three entries are a body velocity."""
    shown = [f"{0.0 if math.isnan(value) else value:+.2f}" for value in command]
    return "{} {} m/s {} rad/s".format(*shown) if len(shown) == 3 else " ".join(shown)


def keys(title: str, rows: Sequence[tuple[str, str]]) -> Table:
    """The keys or buttons, in two columns."""
    table = Table(title=title, show_header=False, box=None, padding=(0, 2))
    half = (len(rows) + 1) // 2
    for left, right in zip(rows[:half], [*rows[half:], ("", "")], strict=False):
        table.add_row(f"[bold]{left[0]}[/]", left[1], f"[bold]{right[0]}[/]", right[1])
    return table
