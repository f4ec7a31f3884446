"""What a person asks, whatever device they hold: the intent, the dead-man's rules, and several devices at once."""

import contextlib
import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Protocol, Self

import numpy as np

from leash_robot.robot.types import Array

STALE = 0.15
"""A device that gave no sign of life for this long has let go [s]."""

LOST = 1.0
"""A device that fell silent while it drove is given up after this long, more than most gaps of a Wi-Fi link [s]."""

ARMING = 0.3
"""How long a device that came (back) must rest, centred and released, before its dead-man counts [s]."""


class Event(StrEnum):
    """Something that a person asks once, by a key or button."""

    START = "start"
    STOP = "stop"
    SUCCESS = "success"
    FAIL = "fail"
    DISCARD = "discard"
    UNDO = "undo"
    NOTE = "note"
    ESTOP = "estop"
    REARM = "rearm"
    TAKEOVER = "takeover"
    HANDBACK = "handback"
    QUIT = "quit"


@dataclass(frozen=True, slots=True, eq=False)
class Intent:
    """What a person asked when they were last read."""

    time: float
    """Monotonic time of the device's own last sign of life, not of the message that told of it [s]."""
    command: Array = field(default_factory=lambda: np.zeros(3))
    """(k,) what the robot is commanded to; a device made for legs gives vx [m/s], vy [m/s], yaw rate [rad/s]."""
    engaged: bool = False
    """Whether the dead-man is held."""
    events: tuple[Event, ...] = ()
    """What was asked since the last read, oldest first."""
    note: str = ""
    """The text of a NOTE, where the device can type."""
    lost_since: float = math.inf
    """When a device that drove, and was not let go, gave its last sign of life [s]; infinity while there is none."""
    typing: str = ""
    """A note that is being typed, as it is to be shown; empty while there is none."""

    def released(self) -> "Intent":
        """The same, with the dead-man let go and the sticks at rest; events are kept."""
        return replace(self, command=np.zeros_like(self.command), engaged=False)


class Operator(Protocol):
    """A person at a device."""

    def __enter__(self) -> Self: ...

    def __exit__(self, *exc: object) -> None: ...

    def read(self, now: float) -> Intent:
        """What is asked now, `now` being monotonic time [s]. Never waits."""
        ...


@dataclass(frozen=True, slots=True)
class Deadman:
    """Whether a device may drive; `after` is the rule. Starts disarmed."""

    armed: bool = False
    resting_since: float = math.inf
    """Since when the device has been fresh, centred and released [s]; infinity while it is not."""

    def after(self, intent: Intent, now: float) -> "Deadman":
        """The state once `intent` was read at `now`.

        Silence disarms. A device arms by resting for `ARMING`, so that neither a pad whose sticks read full reverse
        after it reconnects nor a button that was held throughout moves the robot.
        """
        if not fresh(intent, now):
            return Deadman()
        if self.armed:
            return self
        if intent.engaged or bool(np.any(intent.command)):
            return Deadman()
        since = min(self.resting_since, now)
        return Deadman(now - since >= ARMING, since)


def fresh(intent: Intent, now: float) -> bool:
    """Whether the device was alive just now and says numbers; a time stamp from the future is as bad as an old one."""
    return abs(now - intent.time) <= STALE and bool(np.isfinite(intent.command).all())


class Guarded:
    """An operator whose dead-man only counts while its device is fresh and armed.

    A device that falls silent while it drives lets go at once, and is lost until it is heard again: a message that it
    gave before it fell silent says nothing about whether the person has let go.
    """

    def __init__(self, operator: Operator) -> None:
        self._operator = operator
        self._deadman = Deadman()
        self._drove = math.inf
        self.alive = -math.inf
        """The last sign of life of the device while it was fresh [s]; minus infinity before the first."""

    def __enter__(self) -> Self:
        self._operator.__enter__()
        return self

    def __exit__(self, *exc: object) -> None:
        self._operator.__exit__(*exc)

    @property
    def armed(self) -> bool:
        """Whether pressing the dead-man would drive."""
        return self._deadman.armed

    def disarm(self) -> None:
        """Ask for rest again before the dead-man counts."""
        self._deadman = Deadman()

    def forget(self) -> None:
        """Hold no silence against the device: another one drives."""
        self._drove = math.inf

    def read(self, now: float) -> Intent:
        """The operator's intent, released unless the device is armed."""
        intent = self._operator.read(now)
        self._deadman = self._deadman.after(intent, now)
        heard, drives = fresh(intent, now), self._deadman.armed and intent.engaged
        if heard:
            self.alive = max(self.alive, intent.time)
        if drives:
            self._drove = intent.time
        elif heard and intent.time > self._drove:
            self._drove = math.inf
        own = math.inf if heard else self._drove
        return replace(intent if drives else intent.released(), lost_since=min(own, intent.lost_since))


class Merged:
    """Several devices as one: who engages first drives until they let go; events count from any of them.

    A driving device that falls silent hands over to whichever engages next, and is lost until then.
    """

    def __init__(self, operators: Sequence[Operator]) -> None:
        self._operators = [Guarded(operator) for operator in operators]
        self._driver: int | None = None
        self._opened = contextlib.ExitStack()

    def __enter__(self) -> Self:
        with contextlib.ExitStack() as opened:
            for operator in self._operators:
                opened.enter_context(operator)
            self._opened = opened.pop_all()
        return self

    def __exit__(self, *exc: object) -> None:
        self._opened.close()

    def read(self, now: float) -> Intent:
        """The driver's intent with everybody's events; nobody engaged is a released intent as fresh as the freshest."""
        intents = [operator.read(now) for operator in self._operators]
        self._driver = _driver(self._driver, [intent.engaged for intent in intents])
        events = tuple(event for intent in intents for event in intent.events)
        note = " ".join(intent.note for intent in intents if intent.note)
        typing = " ".join(intent.typing for intent in intents if intent.typing)
        if self._driver is not None:
            for operator in self._operators[: self._driver] + self._operators[self._driver + 1 :]:
                operator.forget()
            return replace(intents[self._driver], events=events, note=note, typing=typing, lost_since=math.inf)
        alive = max((intent.time for intent in intents), default=-math.inf)
        lost_since = min((intent.lost_since for intent in intents), default=math.inf)
        return Intent(alive, events=events, note=note, typing=typing, lost_since=lost_since)


def _driver(driver: int | None, engaged: Sequence[bool]) -> int | None:
    """Keep the driver while engaged; otherwise the first who is."""
    if driver is not None and engaged[driver]:
        return driver
    return next((index for index, held in enumerate(engaged) if held), None)
