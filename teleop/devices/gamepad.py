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

from leash_robot.robot.errors import OperatorError
from leash_robot.robot.types import Array
from leash_robot.teleop.devices.pad_finder import RETRY, PadFinder
from leash_robot.teleop.devices.pad_names import CONTROLS, OTHERS, PRINTED, printed
from leash_robot.teleop.devices.pad_state import PadDevice, PadState
from leash_robot.teleop.devices.sticks import Feel, Speeds
from leash_robot.teleop.operator import Event, Intent

INPUT = Path("/dev/input")


@dataclass(frozen=True)
class PadMap:
    """Which button does what, by the names in `pad_names.CONTROLS`."""

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
        if unknown := [button for button in (*self.deadman, *self.events) if button not in CONTROLS]:
            raise OperatorError(f"no button is called {unknown[0]!r}; known are {', '.join(CONTROLS)}")
        if both := [button for button in self.deadman if button in self.events]:
            raise OperatorError(f"the button {both[0]!r} is both dead-man and {self.events[both[0]]}; change one")
        if not self.deadman or Event.ESTOP not in self.events.values():
            raise OperatorError("a gamepad needs a dead-man button and one for estop")

    def table(self, names: Mapping[str, str] = PRINTED[OTHERS]) -> list[tuple[str, str]]:
        """Rows for the screen: button, what it does; `names` is what is printed on each."""
        held = (" or ".join(names[button] for button in self.deadman), "hold to drive")
        sticks = [("left stick", "forward, sideways"), ("right stick", "turn")]
        return [held, *sticks, *((names[button], str(event)) for button, event in self.events.items())]


def find_gamepad(name: str | None = None, folder: Path = INPUT) -> PadDevice:
    """Open the first gamepad, or the one called `name`. Raises OperatorError."""
    if not folder.is_dir():
        raise OperatorError(f"no gamepad: this machine has no {folder}; use another --operator")
    try:
        evdev_pad = importlib.import_module("leash_robot.teleop.devices.evdev_pad")
    except ModuleNotFoundError as error:
        raise OperatorError(f"gamepads need the package {error.name!r}: pip install 'leash-robot[teleop]'") from None
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
        *,
        quiet: float = 1.0,
        retry: float = RETRY,
        opened: Callable[["Gamepad"], object] | None = None,
    ) -> None:
        """`opener` finds the pad, by name once it is known; `opened` is called when it is there. `quiet` [s]: how long
        a driving pad may be silent, `retry` [s] how often a lost one is looked for.
        """
        self._opener = opener
        self.pad = pad or PadMap()
        self._speeds = speeds or Speeds()
        self._feel = feel or Feel()
        self._quiet = quiet
        self._finder = PadFinder(opener, retry)
        self._opened = opened
        self._state: PadState | None = None
        self._device: PadDevice | None = None
        self._life = -math.inf

    def __enter__(self) -> Self:
        """Open the pad. Raises OperatorError when there is none."""
        device = self._opener(None)
        try:
            self._state = PadState(device, -math.inf)
        except OSError as error:
            device.close()
            raise OperatorError(f"the gamepad {device.name!r} went away: {error.strerror}; plug it in again") from None
        self._device = device
        if self._opened is not None:
            self._opened(self)
        return self

    def __exit__(self, *exc: object) -> None:
        self._finder.close()
        if self._state is not None:
            self._state.device.close()
        self._state = None

    @property
    def name(self) -> str:
        """What the pad calls itself."""
        return self._device.name if self._device is not None else "gamepad"

    @property
    def connected(self) -> bool:
        """Whether the pad is there."""
        return self._state is not None

    def table(self) -> list[tuple[str, str]]:
        """Rows for the screen: what is printed on each button, and what it does."""
        return self.pad.table(printed(self._device.vendor if self._device is not None else 0))

    def read(self, now: float) -> Intent:
        """What the pad says now. An absent one repeats the time of its last sign of life."""
        if self._state is None:
            self._state = self._finder.take()
        if self._state is None:
            return Intent(self._life)
        try:
            return self._read(self._state, now)
        except OSError:
            self._lose(self._state)
            return Intent(self._life)

    def _read(self, state: PadState, now: float) -> Intent:
        if math.isinf(state.heard):
            state.heard = now  # it has just been asked where everything is
        events = tuple(self.pad.events[name] for name in state.update() if name in self.pad.events)
        engaged = any(state.pressed(button) for button in self.pad.deadman)
        command = self._velocity(state)
        driving = engaged or bool(np.any(command))
        self._life = state.heard if driving and now - state.heard > self._quiet else now
        return Intent(self._life, command, engaged, events)

    def _velocity(self, state: PadState) -> Array:
        """(3,) body velocity. Note: sticks read positive to the right and backward."""
        axes = ("lefty", "leftx", "rightx")
        forward, left, spin = (-self._feel.shaped(state.deflection(axis)) for axis in axes)
        return self._speeds.velocity(forward, left, spin)

    def _lose(self, state: PadState) -> None:
        state.device.close()
        self._state = None
        self._finder.look(state.device.name)
