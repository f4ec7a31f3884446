"""Gamepads of the Linux kernel's input layer. Needs the `evdev` package, so it is imported only when one is opened."""

import fcntl
import os
import struct
import time
from collections.abc import Mapping
from pathlib import Path

import evdev

from leash_robot.robot.errors import OperatorError
from leash_robot.teleop.devices.pad_events import EV_ABS, EV_KEY, Range
from leash_robot.teleop.devices.pad_layout import Ident, PadLayout, find_layout, looks_like_pad

EVIOCSCLOCKID = 0x400445A0
"""ioctl that chooses the clock of a device's time stamps (linux/input.h: _IOW('E', 0xa0, int))."""


class EvdevPad:
    """Fits `PadDevice`: one /dev/input/event node, stamping its events on the monotonic clock."""

    def __init__(self, device: "evdev.InputDevice[str]", layout: PadLayout) -> None:
        """Take an opened node. Raises OSError when it is gone."""
        self._device = device
        self.layout = layout
        self.vendor = device.info.vendor
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
        layout = _layout(device)
        if layout is not None and name in {None, device.name}:
            return EvdevPad(device, layout)
        seen.append(f"{device.name} (in no controller database)" if layout is None and _is_pad(device) else device.name)
        device.close()
    locked = sum(not os.access(node, os.R_OK) for node in folder.glob("event*"))
    hint = f"; {locked} more may not be read: add yourself to the group 'input'" if locked else ""
    unknown = (
        "; map the unknown one at the page: --operator browser"
        if any("in no controller" in each for each in seen)
        else ""
    )
    raise OperatorError(f"no {name or 'gamepad'} among the input devices [{', '.join(seen)}]{unknown}{hint}")


def _keys(device: "evdev.InputDevice[str]") -> list[int]:
    return device.capabilities(absinfo=False).get(EV_KEY, [])


def _is_pad(device: "evdev.InputDevice[str]") -> bool:
    return looks_like_pad(_keys(device))


def _layout(device: "evdev.InputDevice[str]") -> PadLayout | None:
    """Where the controls of a pad are; None for what is no pad, or one that nobody knows."""
    if not _is_pad(device):
        return None
    info = device.info
    ident = Ident(info.bustype, info.vendor, info.product, info.version)
    return find_layout(ident, _keys(device), device.capabilities(absinfo=False).get(EV_ABS, []))
