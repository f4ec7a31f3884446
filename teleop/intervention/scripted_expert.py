"""A scripted person who watches a policy and takes over when it calls."""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Self

from leash_robot.teleop.operator import Event, Intent, Operator


@dataclass(frozen=True)
class Answer:
    """How this person answers a call."""

    reaction: float = 0.3
    """From the call to the hand on the dead-man, and from its end to letting go [s]."""
    least: float = 1.0
    """Nobody takes over for less than this [s]."""


class Answering:
    """Fits `Operator`: drives as the pilot would, but only after a call; hands back when there is no reason any more.

    The pilot is whoever knows where to go; their events pass, their dead-man does not.
    """

    def __init__(self, pilot: Operator, request: Callable[[], str], answer: Answer | None = None) -> None:
        """`request` says why help is asked for, or nothing."""
        self._pilot, self._request = pilot, request
        self._answer = answer or Answer()
        self._changed = math.inf
        """Since when the call has been other than what the hand does [s]."""
        self._taken = math.inf
        """Since when the hand has been on the dead-man [s]; infinity while it is not."""

    def __enter__(self) -> Self:
        self._pilot.__enter__()
        return self

    def __exit__(self, *exc: object) -> None:
        self._pilot.__exit__(*exc)

    def read(self, now: float) -> Intent:
        """What the pilot asks, where a call was answered; else a released intent with the pilot's events."""
        intent, driving = self._pilot.read(now), self._taken < math.inf
        self._changed = min(self._changed, now) if bool(self._request()) != driving else math.inf
        least = driving and now - self._taken < self._answer.least
        if now - self._changed >= self._answer.reaction and not least:
            return self._turned(intent, now)
        return intent if driving else intent.released()

    def _turned(self, intent: Intent, now: float) -> Intent:
        """Press the dead-man, or let it go and hand back."""
        self._changed = math.inf
        if self._taken < math.inf:
            self._taken = math.inf
            return replace(intent.released(), events=(*intent.events, Event.HANDBACK))
        self._taken = now
        return intent
