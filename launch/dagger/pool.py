"""Many tracks at once: processes of their own that each let an image policy drive some of them."""

import multiprocessing
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from pathlib import Path
from types import TracebackType
from typing import Self

from leash_robot.launch.dagger.track import Ran, attempt
from leash_robot.robot.host.worker_pool import begin

AT_ONCE = 5
"""Tracks that a process is given at a time."""


class TrackPool:
    """Worker processes; use inside `with`, which ends them."""

    def __init__(self, workers: int, gait: str = "trot") -> None:
        """`gait` is what walks: `trot`, or the file of a policy for joints."""
        context = multiprocessing.get_context("spawn")
        self._gait = gait
        self._pool = ProcessPoolExecutor(workers, mp_context=context, initializer=begin)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is not None and issubclass(kind, KeyboardInterrupt):
            for process in list((self._pool._processes or {}).values()):
                process.terminate()
        self._pool.shutdown(wait=True, cancel_futures=True)

    def attempt(self, file: Path, seeds: Sequence[int]) -> Iterator[list[Ran]]:
        """Let the image policy in a file drive the tracks of these seeds; yields some results at a time."""
        some = [seeds[at : at + AT_ONCE] for at in range(0, len(seeds), AT_ONCE)]
        jobs = [self._pool.submit(attempt, file, part, self._gait) for part in some]
        for job in as_completed(jobs):
            yield job.result()
