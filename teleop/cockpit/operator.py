"""The person at the page, as an operator."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Protocol, Self

from leash_robot.teleop.cockpit.messages import Asked, Hands, Held, Upward
from leash_robot.teleop.devices.sticks import Speeds
from leash_robot.teleop.operator import Deadman, Event, Intent

Key = tuple[str, int]
"""A device: its name, and which connection of it."""


class Hall(Protocol):
    """The part of the cockpit that people are heard through."""

    armed: bool
    """Set by who listens: whether a device at the page has rested, so that holding its dead-man drives."""

    def heard(self) -> Iterable[Upward]:
        """What they did since the last time, oldest first; never waits."""
        ...


class BrowserOperator:
    """Fits `Operator`: whoever holds the cockpit's driver lease drives, anybody may stop.

    Of several devices, the one that engages first drives until it is let go, also when it grows stale meanwhile: that
    is for whoever reads the intent to judge. A device that was connected, and every device of a page that was out of
    focus or takes the wheel, must rest before its dead-man counts.
    """

    def __init__(self, hall: Hall, speeds: Speeds | None = None) -> None:
        """`hall` is opened and closed by its owner."""
        self._hall = hall
        self._speeds = speeds or Speeds()
        self._hands = Hands(0)
        self._deadmen: dict[Key, Deadman] = {}
        self._driver: Key | None = None
        self._life = -math.inf

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
        return replace(self._driven(now), events=tuple(events), note=" ".join(notes))

    def _take(self, hands: Hands) -> None:
        """Note: every message counts, for a page that was away for less than a tick was away all the same."""
        if hands.grip != self._hands.grip or not hands.attentive:
            self._deadmen = {}
        self._hands = hands

    def _driven(self, now: float) -> Intent:
        intents = {(held.name, held.serial): self._intent(held) for held in self._hands.devices}
        if not self._hands.attentive:
            intents = {key: intent.released() for key, intent in intents.items()}
        self._deadmen = {key: self._deadmen.get(key, Deadman()).after(its, now) for key, its in intents.items()}
        self._hall.armed = any(deadman.armed for deadman in self._deadmen.values())
        self._driver = self._next_driver(intents)
        if self._driver is None:
            self._life = max((intent.time for intent in intents.values()), default=self._life)
            return Intent(self._life)
        intent = intents[self._driver]
        self._life = intent.time
        return intent if self._deadmen[self._driver].armed else intent.released()

    def _next_driver(self, intents: Mapping[Key, Intent]) -> Key | None:
        held = [key for key, intent in intents.items() if intent.engaged]
        if self._driver in held:
            return self._driver
        return next((key for key in held if self._deadmen[key].armed), None)

    def _intent(self, held: Held) -> Intent:
        return Intent(held.time, self._speeds.velocity(held.forward, held.left, held.turn), held.engaged)
