"""Keeps a person's page alive during long work between the rounds, while no loop runs."""

import threading
import time
from dataclasses import dataclass, field
from typing import Self

from leash_robot.robot.types import Log, Tick
from leash_robot.teleop.operator import Event, Operator

EVERY = 0.25
"""Time between two updates of the page [s]."""


@dataclass
class Standby:
    """Shows a standing robot and listens to the person; use inside `with`.

    Nothing else may read the operator or show ticks there in the meantime.
    """

    operator: Operator
    log: Log
    tick: Tick
    """What is shown: a robot that stands."""
    ended: threading.Event = field(default_factory=threading.Event)
    """Whether the person asked for the end."""

    def __enter__(self) -> Self:
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._show, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._over.set()
        self._thread.join()

    def check(self) -> None:
        """Raise KeyboardInterrupt, as Ctrl-C does, once the person asked for the end."""
        if self.ended.is_set():
            raise KeyboardInterrupt

    def _show(self) -> None:
        while not self._over.wait(EVERY):
            if Event.QUIT in self.operator.read(time.monotonic()).events:
                self.ended.set()
            self.log.add(self.tick)
