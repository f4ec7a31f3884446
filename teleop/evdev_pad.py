"""Gamepads of the Linux kernel's input layer. Needs the `evdev` package, so it is imported only when one is opened."""

import fcntl
import os
import struct
import time
from collections.abc import Mapping
from pathlib import Path

import evdev

from robot.errors import OperatorError
from teleop.pad_events import BTN_GAMEPAD, EV_ABS, EV_KEY, Range

EVIOCSCLOCKID = 0x400445A0
"""ioctl that chooses the clock of a device's time stamps (linux/input.h: _IOW('E', 0xa0, int))."""


class EvdevPad:
    """Fits `PadDevice`: one /dev/input/event node, stamping its events on the monotonic clock."""

    def __init__(self, device: "evdev.InputDevice[str]") -> None:
        """Take an opened node. Raises OSError when it is gone."""
        self._device = device
        fcntl.ioctl(device.fd, EVIOCSCLOCKID, struct.pack("i", time.CLOCK_MONOTONIC))
        self.name = device.name
        self.ranges = {code: _range(device, code) for code in device.capabilities(absinfo=False).get(EV_ABS, [])}

    def read(self) -> bytes:
        """Waiting events; empty when there are none. Raises OSError when the device is gone."""
        try:
            return os.read(self._device.fd, 4096)
        except BlockingIOError:
            return b""

    def state(self) -> tuple[frozenset[int], Mapping[int, int]]:
        """The buttons that are down, and where each axis is. Raises OSError when the device is gone."""
        axes = {code: self._device.absinfo(code).value for code in self.ranges}
        return frozenset(self._device.active_keys()), axes

    def close(self) -> None:
        """Let go of the node."""
        self._device.close()


def _range(device: "evdev.InputDevice[str]", code: int) -> Range:
    info = device.absinfo(code)
    return Range(info.min, info.max)


def open_pad(folder: Path, name: str | None) -> EvdevPad:
    """The first gamepad under `folder`, or the one called `name`. Raises OperatorError that says what is there."""
    seen: list[str] = []
    for path in evdev.list_devices(folder, writable=False):
        device = evdev.InputDevice(path)
        seen.append(device.name)
        if BTN_GAMEPAD in device.capabilities().get(EV_KEY, []) and name in {None, device.name}:
            return EvdevPad(device)
        device.close()
    locked = sum(not os.access(node, os.R_OK) for node in folder.glob("event*"))
    hint = f"; {locked} more may not be read: add yourself to the group 'input'" if locked else ""
    raise OperatorError(f"no {name or 'gamepad'} among the input devices [{', '.join(seen)}]{hint}")
