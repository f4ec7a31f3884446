"""The person at the page, as an operator."""

import math
from collections.abc import Iterable
from dataclasses import replace
from typing import Protocol, Self

from teleop.cockpit_wire import Asked, Hands, Upward
from teleop.operator import Deadman, Event, Intent
from teleop.sticks import Speeds


class Hall(Protocol):
    """The part of the cockpit that people are heard through."""

    def heard(self) -> Iterable[Upward]:
        """What they did since the last time, oldest first; never waits."""
        ...


class BrowserOperator:
    """Fits `Operator`: whoever holds the cockpit's driver lease drives, anybody may stop.

    A page out of sight or focus is let go of at once, and like another page, or the same one after it was away, must
    rest before its dead-man counts again. A page or device that shows no sign of life grows stale, which is for
    whoever reads the intent to judge.
    """

    def __init__(self, hall: Hall, speeds: Speeds | None = None) -> None:
        """`hall` is opened and closed by its owner."""
        self._hall = hall
        self._speeds = speeds or Speeds()
        self._hands = Hands(0, -math.inf)
        self._deadman = Deadman()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        return None

    def read(self, now: float) -> Intent:
        """What the people at the pages ask now."""
        events: list[Event] = []
        notes: list[str] = []
        for message in self._hall.heard():
            if isinstance(message, Hands):
                self._take(message)
            elif isinstance(message, Asked):
                events.append(message.event)
                notes.extend([message.note] if message.note else [])
        intent = replace(self._held(), events=tuple(events), note=" ".join(notes))
        self._deadman = self._deadman.after(intent, now)
        return intent if self._deadman.armed else intent.released()

    def _take(self, hands: Hands) -> None:
        """Note: every message counts, for a page that was away for less than a tick was away all the same."""
        if hands.grip != self._hands.grip or not hands.attentive:
            self._deadman = Deadman()
        self._hands = hands

    def _held(self) -> Intent:
        hands = self._hands
        command = self._speeds.velocity(hands.forward, hands.left, hands.turn)
        intent = Intent(hands.time, command, hands.engaged)
        return intent if hands.attentive else intent.released()
