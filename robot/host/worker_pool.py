"""Worker processes that share a list of jobs; they leave Ctrl-C to their parent and do not outlive it."""

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from types import TracebackType
from typing import Any, Self, TypeVar

from leash_robot.robot.errors import RobotError

T = TypeVar("T")


class WorkerPool:
    """Spawned processes; use inside `with`, which ends them."""

    def __init__(self, workers: int) -> None:
        context = multiprocessing.get_context("spawn")
        self._pool = ProcessPoolExecutor(workers, mp_context=context, initializer=begin)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is not None:  # do not wait for jobs that are half done
            for worker in multiprocessing.active_children():
                worker.terminate()
        self._pool.shutdown(wait=True, cancel_futures=True)

    def each(self, work: Callable[..., T], jobs: Iterable[tuple[Any, ...]]) -> Iterator[T]:
        """Do `work` with each of these arguments; yields results as they come. Raises RobotError when a worker dies."""
        submitted = [self._pool.submit(work, *arguments) for arguments in jobs]
        try:
            for job in as_completed(submitted):
                yield job.result()
        except BrokenProcessPool:
            raise RobotError("a worker of the evaluation died; run the same command again to go on") from None


def begin() -> None:
    """Run first in every worker process."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
    os._exit(1)  # pragma: no cover: nothing is kept of a process that ends so
