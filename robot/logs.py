"""Several logs as one."""

from typing import Self

from leash_robot.robot.types import Log, Tick


class Logs:
    """Fits `Log`: hands every tick to each of the logs, which their owners open and close."""

    def __init__(self, *logs: Log) -> None:
        self._logs = logs

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        return None

    def add(self, tick: Tick) -> None:
        """Hand on one tick."""
        for log in self._logs:
            log.add(tick)
