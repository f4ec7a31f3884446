"""What a person sees of a training: the phase it is in, updates made, and how long the rest takes on this machine."""

import time
from collections import deque
from typing import Self

from rich.progress import BarColumn, Progress, TextColumn
from rich.table import Column

from leash_robot.launch.reporting.output import console
from leash_robot.policies.rl.config import TrainingConfig
from leash_robot.robot.errors import UsageError

OUTSIDE = "their targets are outside of what the action box can express"
"""Why ticks are left out of imitation."""
RECENT = 60.0
"""The rate of updates is measured over so long [s]."""


class TrainingBar:
    """Fits `TrainingMonitor`: a progress bar over updates; use inside `with`."""

    def __init__(self, config: TrainingConfig) -> None:
        self._config = config
        phase = TextColumn("{task.description}", table_column=Column(no_wrap=True, min_width=len("learning")))
        self._bar = Progress(phase, BarColumn(16), TextColumn("{task.fields[figures]}"), console=console)
        self._task = self._bar.add_task("starting", total=None, figures="")
        self._recent: deque[tuple[float, int]] = deque()

    def __enter__(self) -> Self:
        self._bar.__enter__()
        return self

    def __exit__(self, *exc: object) -> None:
        self._bar.__exit__(None, None, None)

    def phase(self, name: str) -> None:
        """Show what goes on, where its duration is not known."""
        self._bar.update(self._task, description=name, total=None, figures="")
        self._recent.clear()

    def learned(self, updates: int, minutes: float, figures: str) -> None:
        """Show how learning stands."""
        now = time.monotonic()
        self._recent.append((now, updates))
        while now - self._recent[0][0] > RECENT:
            self._recent.popleft()
        (then, before), budget = self._recent[0], self._config.updates
        rate = (updates - before) / (now - then) if now > then else 0.0
        left = f"{updates}/{budget} updates · {left_over(self._config, updates, minutes, rate)}"
        self._bar.update(
            self._task, description="learning", total=budget, completed=updates, figures=f"{left} · {figures}"
        )

    def demonstrated(self, counts: dict[str, int]) -> None:
        """Print how many demonstrated steps are left out of imitation."""
        shown = (
            f"{counts['left_out']} of {counts['demonstrated']} demonstrated steps are left out of imitation: {OUTSIDE}"
        )
        console.print(shown, highlight=False, soft_wrap=True)

    def check_rate(self, config: TrainingConfig, before: float, rate: float) -> None:
        """See `check_minutes`."""
        check_minutes(config, before, rate)


def left_over(config: TrainingConfig, updates: int, minutes: float, rate: float) -> str:
    """How long the budget still takes at this rate [updates/s], in a few words."""
    if rate <= 0:
        return "measuring the rate"
    left = (config.updates - updates) / rate / 60
    if config.minutes is not None:
        left = min(left, config.minutes - minutes)
    most = "at most " if config.stop else ""
    return f"{most}{max(0.0, left):.0f} min left at {rate:.0f} updates/s"


def check_minutes(config: TrainingConfig, before: float, rate: float) -> None:
    """Raise UsageError where no snapshot would be evaluated within the training's minutes, at this rate [updates/s].

    A rate of 0 is not known yet; `before` are the minutes that an earlier part of the training took.
    """
    if config.minutes is None or rate <= 0:
        return
    warm_up = 0 if before else config.sac.warm_up + 1
    first = min(config.updates, max(config.judging.updates, warm_up))
    left = config.minutes - before
    if left * 60 * rate >= first:
        return
    raise UsageError(
        f"minutes: {config.minutes:g} leave {max(0.0, left):.1f} min for {max(0.0, left * 60 * rate):.0f} updates on"
        f" this machine ({rate:.0f}/s), and the first snapshot is judged after {first}; give --minutes"
        f" {before + 1.5 * first / rate / 60:.1f} or more, or leave them out and bound the --updates"
    )
