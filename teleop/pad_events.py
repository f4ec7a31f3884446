"""What a gamepad sends, in the kernel's own bytes (linux/input.h), gathered into its present state."""

import struct
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

RECORD = struct.Struct("llHHi")
"""struct input_event: seconds, microseconds, type, code, value."""

EV_SYN, EV_KEY, EV_ABS = 0, 1, 3
SYN_REPORT, SYN_DROPPED = 0, 3
ABS_X, ABS_Y, ABS_Z, ABS_RX = 0, 1, 2, 3
BTN_SOUTH = BTN_GAMEPAD = 0x130
BTN_EAST, BTN_NORTH, BTN_WEST = 0x131, 0x133, 0x134
BTN_TL, BTN_TR = 0x136, 0x137
BTN_SELECT, BTN_START, BTN_MODE, BTN_THUMBL, BTN_THUMBR = 0x13A, 0x13B, 0x13C, 0x13D, 0x13E


@dataclass(frozen=True, slots=True)
class Range:
    """Ends of an axis."""

    low: int
    high: int

    def deflection(self, value: int) -> float:
        """-1..1 from end to end; 0 for an axis without extent."""
        if self.high <= self.low:
            return 0.0
        return min(1.0, max(-1.0, (2 * value - self.low - self.high) / (self.high - self.low)))


class PadDevice(Protocol):
    """An opened gamepad."""

    @property
    def name(self) -> str:
        """What it calls itself."""
        ...

    @property
    def ranges(self) -> Mapping[int, Range]:
        """Ends of each axis it has, by code."""
        ...

    def read(self) -> bytes:
        """Waiting records; empty when there are none. Raises OSError when the device is gone."""
        ...

    def state(self) -> tuple[frozenset[int], Mapping[int, int]]:
        """The buttons that are down, and where each axis is. Raises OSError when the device is gone."""
        ...

    def close(self) -> None:
        """Let go of it."""
        ...


class PadState:
    """Buttons and axes of an opened gamepad, and when it last said anything."""

    def __init__(self, device: PadDevice, now: float) -> None:
        """Ask the device where everything is. Raises OSError when it is gone."""
        self._device = device
        self._rest = b""
        self._dropping = False
        self.down, self.axes = self._asked()
        self.heard = now
        """The kernel's time stamp of the newest event [s]."""

    def update(self) -> list[int]:
        """Take in what waits; the buttons that went down since. Raises OSError when the device is gone."""
        data = self._rest + self._device.read()
        whole = len(data) // RECORD.size * RECORD.size
        self._rest = data[whole:]
        pressed = [self._take(*record) for record in RECORD.iter_unpack(data[:whole])]
        return [code for code in pressed if code is not None]

    def deflection(self, code: int) -> float:
        """Where an axis is, -1..1; 0 for one that the device lacks."""
        return self._device.ranges[code].deflection(self.axes[code]) if code in self._device.ranges else 0.0

    def _take(self, seconds: int, micros: int, kind: int, code: int, value: int) -> int | None:
        """Note one record. After the kernel's queue ran over, everything up to the next report is asked for anew."""
        self.heard = max(self.heard, seconds + micros / 1e6)
        if kind == EV_SYN:
            if self._dropping and code == SYN_REPORT:
                self.down, self.axes = self._asked()
            self._dropping = code == SYN_DROPPED or (self._dropping and code != SYN_REPORT)
        elif not self._dropping:
            return self._changed(kind, code, value)
        return None

    def _changed(self, kind: int, code: int, value: int) -> int | None:
        if kind == EV_ABS:
            self.axes[code] = value
        elif kind == EV_KEY:
            was, self.down = code in self.down, self.down | {code} if value else self.down - {code}
            return code if value and not was else None
        return None

    def _asked(self) -> tuple[frozenset[int], dict[int, int]]:
        down, axes = self._device.state()
        return down, dict(axes)
