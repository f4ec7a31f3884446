"""Driving with a gamepad: a shoulder button is the dead-man, the sticks are the body velocity.

The kernel stamps a gamepad's events, and those stamps say how fresh it is. A pad that nobody touches sends nothing, so
silence is only held against one that claims to be driving: no thumb keeps a stick perfectly still, but a receiver that
lost its pad, or a pad whose battery died, does.
"""

import importlib
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

import numpy as np

from robot.errors import OperatorError
from robot.types import Array
from teleop import pad_events as codes
from teleop.operator import Event, Intent
from teleop.pad_events import PadDevice, PadState
from teleop.sticks import Feel, Speeds

INPUT = Path("/dev/input")

RETRY = 1.0
"""A lost gamepad is looked for this often [s]."""

NAMES: Mapping[str, int] = {
    "a": codes.BTN_SOUTH,
    "b": codes.BTN_EAST,
    "x": codes.BTN_NORTH,
    "y": codes.BTN_WEST,
    "lb": codes.BTN_TL,
    "rb": codes.BTN_TR,
    "back": codes.BTN_SELECT,
    "start": codes.BTN_START,
    "home": codes.BTN_MODE,
    "left stick": codes.BTN_THUMBL,
    "right stick": codes.BTN_THUMBR,
}
"""Buttons by what an Xbox pad prints on them. Note: its x and y carry the codes that others call north and west."""


@dataclass(frozen=True)
class PadMap:
    """Which button does what, by the names in `NAMES`."""

    deadman: tuple[str, ...] = ("lb", "rb")
    """Holding any of these drives."""
    events: Mapping[str, Event] = field(
        default_factory=lambda: {
            "start": Event.START,
            "back": Event.STOP,
            "a": Event.SUCCESS,
            "b": Event.FAIL,
            "y": Event.DISCARD,
            "x": Event.UNDO,
            "left stick": Event.NOTE,
            "right stick": Event.ESTOP,
            "home": Event.REARM,
        }
    )

    def __post_init__(self) -> None:
        """Raises OperatorError for an unknown button, one with two duties, or a map without e-stop or dead-man."""
        if unknown := [button for button in (*self.deadman, *self.events) if button not in NAMES]:
            raise OperatorError(f"no button is called {unknown[0]!r}; known are {', '.join(NAMES)}")
        if both := [button for button in self.deadman if button in self.events]:
            raise OperatorError(f"the button {both[0]!r} is both dead-man and {self.events[both[0]]}; change one")
        if not self.deadman or Event.ESTOP not in self.events.values():
            raise OperatorError("a gamepad needs a dead-man button and one for estop")

    def table(self) -> list[tuple[str, str]]:
        """Rows for the screen: button, what it does."""
        held = (" or ".join(self.deadman), "hold to drive")
        sticks = [("left stick", "forward, sideways"), ("right stick", "turn")]
        return [held, *sticks, *((f"press {button}", str(event)) for button, event in self.events.items())]


def find_gamepad(name: str | None = None, folder: Path = INPUT) -> PadDevice:
    """Open the first gamepad, or the one called `name`. Raises OperatorError."""
    if not folder.is_dir():
        raise OperatorError(f"no gamepad: this machine has no {folder}; use another --operator")
    try:
        evdev_pad = importlib.import_module("teleop.evdev_pad")
    except ModuleNotFoundError as error:
        raise OperatorError(f"gamepads need the package {error.name!r}: pip install 'leash[teleop]'") from None
    device: PadDevice = evdev_pad.open_pad(folder, name)
    return device


class Gamepad:
    """Fits `Operator`: a gamepad, which may come and go."""

    def __init__(
        self,
        opener: Callable[[str | None], PadDevice] = find_gamepad,
        pad: PadMap | None = None,
        speeds: Speeds | None = None,
        feel: Feel | None = None,
        quiet: float = 1.0,
    ) -> None:
        """`opener` finds the pad, by name once it is known. `quiet` [s] is how long a driving pad may be silent."""
        self._opener = opener
        self.pad = pad or PadMap()
        self._speeds = speeds or Speeds()
        self._feel = feel or Feel()
        self._quiet = quiet
        self._device: PadDevice | None = None
        self._state: PadState | None = None
        self._name: str | None = None
        self._life = self._tried = -math.inf

    def __enter__(self) -> Self:
        """Open the pad. Raises OperatorError when there is none."""
        self._device = self._opener(None)
        self._name = self._device.name
        return self

    def __exit__(self, *exc: object) -> None:
        self._lose()

    @property
    def name(self) -> str:
        """What the pad calls itself."""
        return self._name or "gamepad"

    @property
    def connected(self) -> bool:
        """Whether the pad is there."""
        return self._device is not None

    def read(self, now: float) -> Intent:
        """What the pad says now. An absent one repeats the time of its last sign of life."""
        try:
            return self._read(self._present(now), now)
        except (OSError, OperatorError):
            self._lose()
            return Intent(self._life)

    def _present(self, now: float) -> PadState:
        """The pad's state; looks for a lost one now and then. Raises OSError or OperatorError while it is absent."""
        if self._device is None:
            if now - self._tried < RETRY:
                raise OperatorError(f"{self.name} is not connected")
            self._tried = now
            self._device = self._opener(self._name)
        if self._state is None:
            self._state = PadState(self._device, now)
        return self._state

    def _read(self, state: PadState, now: float) -> Intent:
        names = {code: name for name, code in NAMES.items()}
        pressed = [self.pad.events.get(names.get(code, "")) for code in state.update()]
        events = tuple(event for event in pressed if event is not None)
        engaged = any(NAMES[button] in state.down for button in self.pad.deadman)
        command = self._velocity(state)
        driving = engaged or bool(np.any(command))
        self._life = state.heard if driving and now - state.heard > self._quiet else now
        return Intent(self._life, command, engaged, events)

    def _velocity(self, state: PadState) -> Array:
        """(3,) body velocity. Note: sticks read positive to the right and backward; pads without RX turn by Z."""
        turn = codes.ABS_RX if codes.ABS_RX in state.axes else codes.ABS_Z
        forward, left, spin = (-self._feel.shaped(state.deflection(code)) for code in (codes.ABS_Y, codes.ABS_X, turn))
        return self._speeds.velocity(forward, left, spin)

    def _lose(self) -> None:
        if self._device is not None:
            self._device.close()
        self._device = self._state = None
