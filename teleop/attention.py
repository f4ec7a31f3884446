"""An operator who is heard at every moment, not only when a tick reads them.

While the robot homes, stands up or lies down, while policies open and recorders close, no tick reads the operator. Here
a thread does: a stop goes to the robot at once, and what else was asked meanwhile waits for the next tick, if it may.
"""

import contextlib
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Self

from leash_robot.robot.clock import Clock
from leash_robot.robot.errors import LeashError, RobotError
from leash_robot.robot.types import Observation
from leash_robot.teleop.operator import Event, Intent, Operator

EVERY = 0.02
"""Time between two looks of the thread [s]."""
KEPT = frozenset({Event.ESTOP, Event.QUIT, Event.NOTE})
"""What is still meant at the next tick; a start or a verdict was about the moment in which nothing was recorded."""
PRESSED = "a person pressed STOP"


class Attention:
    """Fits `Operator`: reads another one, from whichever thread asks."""

    def __init__(self, operator: Operator, clock: Clock) -> None:
        """`clock` stamps the operator's device."""
        self._operator, self._clock = operator, clock
        self._lock = threading.Lock()
        self._waiting: list[Intent] = []
        self._stop: Callable[[str], None] = lambda cause: None

    def __enter__(self) -> Self:
        self._operator.__enter__()
        return self

    def __exit__(self, *exc: object) -> None:
        self._operator.__exit__(*exc)

    def read(self, now: float) -> Intent:
        """What is asked now, and what was asked since the last tick."""
        with self._lock:
            intent = self._operator.read(now)
            waiting, self._waiting = self._waiting, []
        self._pass_on(intent)
        events = tuple(event for earlier in waiting for event in earlier.events)
        notes = [earlier.note for earlier in waiting if earlier.note]
        return replace(intent, events=events + intent.events, note=" ".join([*notes, intent.note]).strip())

    def watch(self, _: Observation) -> str:
        """Fits `Watch`: why a person stops a robot that moves by itself, or an empty string."""
        self._look()
        with self._lock:
            self._waiting = [kept for intent in self._waiting if (kept := _meant_later(intent))]
            return PRESSED if any(Event.ESTOP in intent.events for intent in self._waiting) else ""

    @contextlib.contextmanager
    def attending(self, stop: Callable[[str], None]) -> Iterator[None]:
        """For the length of the block a thread looks, too, and calls `stop` with the cause."""
        over = threading.Event()
        thread = threading.Thread(target=self._attend, args=(over,), daemon=True)
        self._stop = stop
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join()

    def _attend(self, over: threading.Event) -> None:
        while not over.wait(EVERY):
            # Note: whatever a device raises, the tick's own reading of it raises too, and there somebody hears it
            with contextlib.suppress(OSError, LeashError):
                self._look()

    def _look(self) -> None:
        """Read the operator, and keep what they ask for the next tick."""
        with self._lock:
            intent = self._operator.read(self._clock.now())
            if intent.events or intent.note:
                self._waiting.append(intent)
        self._pass_on(intent)

    def _pass_on(self, intent: Intent) -> None:
        """Tell the robot of a stop at once. Note: a robot that cannot be reached says so to its own thread."""
        if Event.ESTOP in intent.events:
            with contextlib.suppress(RobotError):
                self._stop(PRESSED)


def _meant_later(intent: Intent) -> Intent | None:
    """What of an intent still holds once the robot stands."""
    events = tuple(event for event in intent.events if event in KEPT)
    return replace(intent, events=events) if events else None
