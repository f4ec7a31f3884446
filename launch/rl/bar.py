"""What a person sees of a training: the phase it is in, updates made, and how long the rest takes on this machine."""

import time
from collections import deque
from typing import Self

from rich.progress import BarColumn, Progress, TextColumn
from rich.table import Column

from leash_robot.launch.reporting.output import console
from leash_robot.launch.rl.plan import SacPlan
from leash_robot.robot.errors import UsageError

RECENT = 60.0
"""The rate of updates is measured over so long [s]."""


class TrainingBar:
    """A progress bar over updates; use inside `with`."""

    def __init__(self, plan: SacPlan) -> None:
        self._plan = plan
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
        """Say what goes on, of which nobody knows how long it takes."""
        self._bar.update(self._task, description=name, total=None, figures="")
        self._recent.clear()

    def learned(self, updates: int, minutes: float, figures: str) -> None:
        """Show how learning stands."""
        now = time.monotonic()
        self._recent.append((now, updates))
        while now - self._recent[0][0] > RECENT:
            self._recent.popleft()
        (then, before), budget = self._recent[0], self._plan.updates
        rate = (updates - before) / (now - then) if now > then else 0.0
        left = f"{updates}/{budget} updates · {left_over(self._plan, updates, minutes, rate)}"
        self._bar.update(
            self._task, description="learning", total=budget, completed=updates, figures=f"{left} · {figures}"
        )


def left_over(plan: SacPlan, updates: int, minutes: float, rate: float) -> str:
    """How long the budget still takes at this rate [updates/s], in a few words."""
    if rate <= 0:
        return "measuring the rate"
    left = (plan.updates - updates) / rate / 60
    if plan.minutes is not None:
        left = min(left, plan.minutes - minutes)
    most = "at most " if plan.stop else ""
    return f"{most}{max(0.0, left):.0f} min left at {rate:.0f} updates/s"


def check_minutes(plan: SacPlan, before: float, rate: float) -> None:
    """Raise UsageError where no snapshot would be judged within the plan's minutes, at this rate [updates/s].

    A rate of 0 is not known yet; `before` are the minutes that an earlier part of the training took.
    """
    if plan.minutes is None or rate <= 0:
        return
    warm_up = 0 if before else plan.sac.warm_up + 1
    first = min(plan.updates, max(plan.judging.updates, warm_up))
    left = plan.minutes - before
    if left * 60 * rate >= first:
        return
    raise UsageError(
        f"minutes: {plan.minutes:g} leave {max(0.0, left):.1f} min for {max(0.0, left * 60 * rate):.0f} updates on this"
        f" machine ({rate:.0f}/s), and the first snapshot is judged after {first}; give --minutes"
        f" {before + 1.5 * first / rate / 60:.1f} or more, or leave them out and bound the --updates"
    )
