"""An opened gamepad: which of its standard controls are pressed and pushed now, gathered from the kernel's records."""

from collections.abc import Mapping
from typing import Protocol

from leash_robot.teleop.devices.pad_events import EV_ABS, EV_KEY, EV_SYN, RECORD, SYN_DROPPED, SYN_REPORT, Range
from leash_robot.teleop.devices.pad_layout import ControlPlace, PadLayout

FAR = 0.5
"""Half of an axis counts as a pressed button from here on; a whole one, such as a trigger, from its middle."""


class PadDevice(Protocol):
    """An opened gamepad."""

    @property
    def name(self) -> str:
        """What it calls itself."""
        ...

    @property
    def vendor(self) -> int:
        """The USB vendor's number."""
        ...

    @property
    def layout(self) -> PadLayout:
        """Where its controls are."""
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
    """Controls of an opened gamepad, and when it last said anything."""

    def __init__(self, device: PadDevice, now: float) -> None:
        """Ask the device where everything is. Raises OSError when it is gone."""
        self.device = device
        self._rest = b""
        self._dropping = False
        self._down, self._axes = self._asked()
        self.heard = now
        """The kernel's time stamp of the newest event [s]."""

    def update(self) -> list[str]:
        """Take in what waits; the buttons that went down since. Raises OSError when the device is gone."""
        data = self._rest + self.device.read()
        whole = len(data) // RECORD.size * RECORD.size
        self._rest = data[whole:]
        return [name for record in RECORD.iter_unpack(data[:whole]) for name in self._take(*record)]

    def pressed(self, name: str) -> bool:
        """Whether a button is down; one that the pad lacks never is."""
        return any(self._is_down(place) for place in self.device.layout.buttons.get(name, ()))

    def deflection(self, name: str) -> float:
        """How far an axis is pushed, -1..1; 0 for one that the pad lacks."""
        pushes = self.device.layout.axes.get(name, ())
        return max(-1.0, min(1.0, sum(self._push(way, place) for way, place in pushes)))

    def _push(self, way: int, place: ControlPlace) -> float:
        if way:
            return way * float(self._is_down(place))
        value = self._along(place)
        return max(0.0, place.half * value) * place.half if place.half else value

    def _is_down(self, place: ControlPlace) -> bool:
        if place.kind == EV_KEY:
            return place.code in self._down
        value = self._along(place)
        return place.half * value > FAR if place.half else value > 0.0

    def _along(self, place: ControlPlace) -> float:
        """How far the axis itself is pushed, -1..1."""
        if place.kind != EV_ABS or place.code not in self.device.ranges:
            return 0.0
        value = self.device.ranges[place.code].deflection(self._axes[place.code])
        return -value if place.inverted else value

    def _take(self, seconds: int, micros: int, kind: int, code: int, value: int) -> list[str]:
        """Note one record. After the kernel's queue ran over, everything up to the next report is asked for anew, and a
        button that is down then was pressed.
        """
        self.heard = max(self.heard, seconds + micros / 1e6)
        if kind != EV_SYN:
            return [] if self._dropping else self._changed(kind, code, value)
        before = {name for name in self.device.layout.buttons if self.pressed(name)}
        asked = self._dropping and code == SYN_REPORT
        if asked:
            self._down, self._axes = self._asked()
        self._dropping = code == SYN_DROPPED or (self._dropping and code != SYN_REPORT)
        return [name for name in self.device.layout.buttons if asked and name not in before and self.pressed(name)]

    def _changed(self, kind: int, code: int, value: int) -> list[str]:
        """Note what an event says; the buttons that it pressed."""
        users = self.device.layout.users.get((kind, code), ())
        before = [name for name in users if self.pressed(name)]
        if kind == EV_ABS:
            self._axes[code] = value
        elif kind == EV_KEY:
            self._down = self._down | {code} if value else self._down - {code}
        return [name for name in users if name not in before and self.pressed(name)]

    def _asked(self) -> tuple[frozenset[int], dict[int, int]]:
        down, axes = self.device.state()
        return down, dict(axes)
