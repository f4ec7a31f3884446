"""The kernel's own bytes and codes for what a gamepad sends (linux/input.h)."""

import struct
from dataclasses import dataclass

RECORD = struct.Struct("llHHi")
"""struct input_event: seconds, microseconds, type, code, value."""

EV_SYN, EV_KEY, EV_ABS = 0, 1, 3
SYN_REPORT, SYN_DROPPED = 0, 3
ABS_X, ABS_Y, ABS_Z, ABS_RX = 0, 1, 2, 3
ABS_HAT0X = 0x10
BTN_JOYSTICK = 0x120
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
