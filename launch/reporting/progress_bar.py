"""A progress bar at the terminal for a long piece of work."""

import contextlib
from collections.abc import Callable, Iterator

from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

from leash_robot.launch.reporting.output import console


@contextlib.contextmanager
def progress_bar(task: str) -> Iterator[Callable[[float], None]]:
    """A bar for as long as the block runs; what is yielded takes the part that is done, 0..1."""
    columns = TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeRemainingColumn()
    with Progress(*columns, console=console, transient=True) as progress:
        number = progress.add_task(task, total=1.0)
        yield lambda part: progress.update(number, completed=part)
