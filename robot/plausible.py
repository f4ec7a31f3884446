"""Tells states that a body could be in from states that bit errors or a slipping encoder made.

The link has no checksum, so this cannot catch an error smaller than a real movement; it bounds what can get through.
"""

import math

from robot.pupper_wire import IMU_KEYS, Telemetry

LARGEST_ANGLE = 2 * math.pi + 0.5
"""The firmware itself faults beyond two pi [rad]."""
LARGEST_SPEED = 100.0
"""Twice the motor's no-load speed of 52 rad/s [rad/s]."""
FASTEST = 60.0
"""What a joint may cover between two frames [rad/s] ..."""
SLACK = 0.15
"""... on top of this, for noise and for impacts [rad]."""
LARGEST_CURRENT = 33.0
"""What the motor controller's 16-bit milliamperes can say [A]."""
DRIFT = 250.0
"""How far the Teensy's clock may step against ours before it counts: back by a little is a flipped low bit [ms]."""
PATIENCE = 3
"""So many implausible frames in a row, for the same reason, are not chance."""


class Plausibility:
    """Judges one frame after another against the last one that it believed."""

    def __init__(self) -> None:
        self._last: Telemetry | None = None
        self._reason = ""
        self._streak = 0
        self.rejected = 0
        """How many frames were not believed so far."""
        self.fault = ""
        """Why the latest frames were refused, once that can no longer be chance."""
        self.rebooted = False
        """Whether the fault is that the Teensy's clock began anew."""

    def accept(self, frame: Telemetry) -> bool:
        """Whether to believe this frame. After a fault the newest frame becomes what later ones are judged by."""
        reason = _why_not(frame) or ("" if self._last is None else _why_not_after(frame, self._last))
        if not reason:
            self._last, self._streak, self.fault, self.rebooted = frame, 0, "", False
            return True
        self.rejected += 1
        self._streak = self._streak + 1 if reason == self._reason else 1
        self._reason = reason
        if self._streak >= PATIENCE:
            self.fault, self.rebooted = reason, reason == REBOOTED
            self._last, self._streak = (None if _why_not(frame) else frame), 0
        return False


REBOOTED = "the Teensy's clock went back: it has rebooted"


def _why_not(frame: Telemetry) -> str:
    """What no body can do, whatever it did before."""
    for joint, (angle, speed) in enumerate(zip(frame.pos, frame.vel, strict=True)):
        if abs(angle) > LARGEST_ANGLE:
            return f"joint {joint} says that it is beyond {LARGEST_ANGLE:.1f} rad"
        if abs(speed) > LARGEST_SPEED:
            return f"joint {joint} says that it is faster than {LARGEST_SPEED:.0f} rad/s"
    for key, value in zip(IMU_KEYS, frame.imu or (), strict=False):
        if abs(value) > (LARGEST_SPEED if key.endswith("rate") else LARGEST_ANGLE):
            return f"the IMU's {key} is out of its range"
    if max(map(abs, frame.cur or (0.0,))) > LARGEST_CURRENT:
        return f"a motor says that it draws more than {LARGEST_CURRENT:.0f} A"
    return ""


def _why_not_after(frame: Telemetry, last: Telemetry) -> str:
    """What no body can do after `last`."""
    passed, counted = (frame.time - last.time) * 1e3, frame.ts - last.ts
    if counted < -DRIFT:
        return REBOOTED
    if counted > passed + DRIFT:
        return "the Teensy's clock leapt ahead"
    # Note: frames that waited in a buffer arrive at one time, so the Teensy's clock may lengthen a short gap
    reach = FASTEST * max(passed, min(counted, 50.0)) / 1e3 + SLACK
    for joint, (angle, before) in enumerate(zip(frame.pos, last.pos, strict=True)):
        if abs(angle - before) > reach:
            return f"joint {joint} leapt"
    return ""
