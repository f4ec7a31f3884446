"""The draws of a grid, a few at a time in worker processes."""

import multiprocessing
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from types import TracebackType
from typing import Any, Self, TypeVar

from leash_robot.launch.evaluation.result import Engine, Result
from leash_robot.launch.evaluation.walk import Task, attempt
from leash_robot.launch.evaluation.worker import begin
from leash_robot.robot.errors import RobotError

T = TypeVar("T")


class GridPool:
    """Worker processes; use inside `with`, which ends them."""

    def __init__(self, workers: int) -> None:
        context = multiprocessing.get_context("spawn")
        self._pool = ProcessPoolExecutor(workers, mp_context=context, initializer=begin)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is not None:  # nobody waits for draws that are half walked
            for worker in multiprocessing.active_children():
                worker.terminate()
        self._pool.shutdown(wait=True, cancel_futures=True)

    def walk(self, task: Task, missing: Mapping[Engine, Sequence[int]]) -> Iterator[Result]:
        """Walk these draws; yields results as they come. Raises RobotError when a worker dies."""
        for walked in self.each(attempt, [(task, engine, [at]) for engine, draws in missing.items() for at in draws]):
            yield from walked

    def each(self, work: Callable[..., T], jobs: Iterable[tuple[Any, ...]]) -> Iterator[T]:
        """Do `work` with each of these arguments; yields results as they come. Raises RobotError when a worker dies."""
        submitted = [self._pool.submit(work, *arguments) for arguments in jobs]
        try:
            for job in as_completed(submitted):
                yield job.result()
        except BrokenProcessPool:
            raise RobotError("a worker of the evaluation died; run the same command again to go on") from None
