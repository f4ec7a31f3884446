"""Driving from a terminal, also over SSH: a key drives while it repeats, and never longer than a bounded time.

A terminal tells of presses only, so a held key is one that keeps repeating: the first press drives for as long as the
keyboard may take to begin repeating, every further one for a few repeats. Terminals with the kitty protocol also tell
of releases; a lost connection ends the repeats there, too. Between presses a terminal shows no sign of life, and needs
none: nothing is held then.
"""

from dataclasses import dataclass
from typing import Self

import numpy as np

from leash_robot.teleop.devices.keymap import DIRECTIONS, SPEEDS, KeyMap, Row
from leash_robot.teleop.devices.note_line import NoteLine
from leash_robot.teleop.devices.sticks import Speeds
from leash_robot.teleop.devices.terminal import Key, KeyDecoder, Terminal, interrupt
from leash_robot.teleop.operator import Event, Intent

FASTER = 1.25
"""One press of faster or slower changes the speed by this factor."""

SLOWEST = 0.2
"""Smallest share of full speed."""

HELP = (
    "Hold a key to drive; let go to stop. Where the terminal only reports one key at a time, a single tap drives for "
    "up to 0.7 s. Space or Escape is the e-stop, also while a note is typed."
)


@dataclass(frozen=True)
class Repeat:
    """How long a key counts as held."""

    first: float = 0.7
    """After a press that is no repeat: at least the keyboard's delay before repeating (660 ms under X11) [s]."""
    again: float = 0.15
    """After a repeat [s]."""


class HeldKeys:
    """Which keys are down, as far as a terminal lets one know."""

    def __init__(self, repeat: Repeat | None = None) -> None:
        self._repeat = repeat or Repeat()
        self._until: dict[str, float] = {}

    def take(self, key: Key, at: float, *, releases: bool) -> bool:
        """Note what happened to a key at a time [s]; whether it went down just now.

        Without releases a new key replaces the others, for they cannot repeat any more. With them, a repeat proves
        the connection and so keeps every key that is down.
        """
        down = self.held(at)
        if key.kind == "release":
            self._until.pop(key.name, None)
            return False
        if not releases:
            self._until = {name: until for name, until in self._until.items() if name == key.name}
        again = key.kind == "repeat" or key.name in down
        until = at + (self._repeat.again if again else self._repeat.first)
        self._until = {name: max(until, its) if name in down else its for name, its in self._until.items()}
        self._until[key.name] = until
        return not again

    def held(self, now: float) -> frozenset[str]:
        """The keys that count as down."""
        self._until = {name: until for name, until in self._until.items() if now < until}
        return frozenset(self._until)


class Keyboard:
    """Fits `Operator`: the keys of a terminal."""

    def __init__(
        self,
        keymap: KeyMap | None = None,
        speeds: Speeds | None = None,
        repeat: Repeat | None = None,
        fd: int | None = None,
    ) -> None:
        """`fd` is the terminal, by default standard input. Raises OperatorError when it is none."""
        self.keymap = keymap or KeyMap()
        self._speeds = speeds or Speeds()
        self._terminal = Terminal(fd)
        self._decoder = KeyDecoder()
        self._held = HeldKeys(repeat)
        self._repeat = repeat
        self._line = NoteLine()
        self._notes: list[str] = []
        self._scale = 1.0
        self._read: float | None = None

    def __enter__(self) -> Self:
        self._terminal.__enter__()
        return self

    def __exit__(self, *exc: object) -> None:
        self._terminal.__exit__(*exc)

    @property
    def scale(self) -> float:
        """Share of full speed that the keys drive at."""
        return self._scale

    @property
    def releases(self) -> bool:
        """Whether this terminal tells when a key is let go."""
        return self._decoder.releases

    def read(self, now: float) -> Intent:
        """What the keys say now.

        Note: bytes carry no time, so they count as typed just after the previous read. Keys that waited while the
        loop stood still have run out when they are read.
        """
        typed_at = now if self._read is None else self._read
        events = [event for key in self._decoder.feed(self._terminal.read()) for event in self._take(key, typed_at)]
        if not self._terminal.lost:
            self._read = now
        rows = self._rows(now)
        forward, left, turn = np.sum([(0, 0, 0), *rows], axis=0)
        command = self._speeds.velocity(forward, left, turn) * self._scale
        time = typed_at if self._terminal.lost else now
        note, self._notes = " ".join(self._notes), []
        return Intent(time, command, bool(rows), tuple(events), note, typing=self._line.shown)

    def _rows(self, now: float) -> list[Row]:
        actions = [self.keymap.action(name) or "" for name in self._held.held(now)]
        return [DIRECTIONS[action] for action in actions if action in DIRECTIONS]

    def _take(self, key: Key, at: float) -> list[Event]:
        """Note a key; the events it asks for. A repeating key asks once."""
        if key == Key("ctrl-c"):
            interrupt()
        action = self.keymap.action(key.name)
        if self._line.typing and not (action == Event.ESTOP and len(key.name) > 1):
            return self._typed(key)
        fresh = self._held.take(key, at, releases=self.releases)
        if action in set(Event):
            return self._asked(Event(action), key, fresh=fresh)
        if fresh and action in SPEEDS:
            factor = FASTER if action == "faster" else 1 / FASTER
            self._scale = float(np.clip(self._scale * factor, SLOWEST, 1.0))
        return []

    def _asked(self, event: Event, key: Key, *, fresh: bool) -> list[Event]:
        """What a key asks; a note waits for its text, and nothing is held meanwhile."""
        if fresh and event is Event.NOTE:
            self._line.begin()
            self._held = HeldKeys(self._repeat)
            return []
        again = event is Event.ESTOP and key.kind != "release"
        return [event] if fresh or again else []

    def _typed(self, key: Key) -> list[Event]:
        """Take a key as text; the event once there is a note."""
        text = self._line.take(key)
        if not text:
            return []
        self._notes.append(text)
        return [Event.NOTE]
