"""Tells states that a body could be in from states that bit errors or a slipping encoder made.

The link has no checksum, so this cannot catch an error smaller than a real movement; it bounds what can get through.
A frame is believed when it follows from the last believed one. One that does not may still be right: it becomes the
new reference once the next frame follows from it (after a gap or a blow) or two more do (a joint that leapt: a fault).

80,000 frames of a twin that trots (stands), each bit flipped with the probability given; noticeably wrong is more than
0.01 rad, 0.5 rad/s, or 0.3 rad/s of the gyro. Without errors every frame of the trot is believed, save the first.

    bit errors   right          noticeably wrong     worst joint          soft stops
    1e-5         98.2 (98.2) %  0.07 (0.014) %       0.05 (0.02) rad      none
    1e-4         83.9 (84.1) %  0.7 (0.17) %         0.13 (0.03) rad      0.15 (0) a minute
    1e-3         14.6 (15.5) %  3.2 (1.0) %          1.16 (0.6) rad       within 0.6 (0.94) s
"""

import math

from leash_robot.robot.bodies.pupper.protocol import IMU_KEYS
from leash_robot.robot.safety.messages import Telemetry

LARGEST_ANGLE = 2 * math.pi + 0.5
"""The firmware itself faults beyond two pi [rad]."""
LARGEST_SPEED = 55.0
"""A little above the motor's no-load speed of 52 rad/s [rad/s]."""
LARGEST_TILT = math.pi + 0.1
"""Roll and pitch, which are an arctangent and an arcsine [rad]."""
LARGEST_TURN = 35.0
"""2000 degrees a second, three times what a falling twin does [rad/s]."""
IMU_LIMITS = (LARGEST_TILT, LARGEST_TILT, LARGEST_ANGLE, LARGEST_TURN, LARGEST_TURN, LARGEST_TURN)
"""In the order of `Telemetry.imu`."""
LARGEST_CURRENT = 33.0
"""What the motor controller's 16-bit milliamperes can say [A]."""
DRIFT = 250.0
"""How far the Teensy's clock may step against ours before it counts: back by a little is a flipped low bit [ms]."""
MEMORY = 40.0
"""A believed state older than this says nothing about the next [ms]."""
USUAL = 10.0
"""Time between two frames; the allowances below are for so long, and grow with the square of the gap [ms]."""
JERK, SHARE = 0.012, 0.3
"""How far a joint may be from where its two speeds take it: this [rad], and this part of what the fastest covers."""
SWAY = 0.015
"""How far gravity's direction may turn beyond what the gyro says [rad]."""
SHAKE, SHAKEN = 2.0, 0.4
"""How much the gyro may change: this [rad/s], and this part of the fastest joint's speed."""
PATIENCE = 3
"""So many implausible frames in a row that agree with one another are not chance."""
NOISE, FORGIVEN = 6.0, 0.25
"""A line is not to be trusted after so many implausible frames of whatever kind; a believed one makes up for a part."""
REBOOTED = "the Teensy's clock went back: it has rebooted"
UNTIMELY = ("nothing is known of the moment before", "the Teensy's clock stood still")
"""Here the reference may be what is wrong."""
SWUNG = ("the IMU's rates leapt", "the IMU's angles leapt")
"""A blow, a person's hands, or the attitude filter's new start; no reason to stop."""
RECONSIDERED = UNTIMELY + SWUNG
"""Believed as soon as the next frame agrees."""


class Plausibility:
    """Judges one frame after another against the last one that it believed."""

    def __init__(self) -> None:
        self._last: Telemetry | None = None
        self._rival: Telemetry | None = None
        """The newest frame, if it was not believed."""
        self._reason = ""
        self._alike = 0
        self._noise = 0.0
        self.rejected = 0
        """How many frames were not believed so far."""
        self.fault = ""
        """Why the latest frames were refused, once that can no longer be chance."""
        self.rebooted = False
        """Whether the fault is that the Teensy's clock began anew."""

    def accept(self, frame: Telemetry) -> bool:
        """Whether to believe this frame."""
        reason = _why_not(frame) or _why_not_after(frame, self._last)
        agrees = self._rival is not None and not _why_not_after(frame, self._rival)
        if not reason or (reason in RECONSIDERED and agrees):
            self._last, self._rival, self._reason, self._alike = frame, None, "", 0
            self._noise = max(0.0, self._noise - FORGIVEN)
            self.fault, self.rebooted = "", False
            return True
        self._doubt(frame, reason, agrees=agrees)
        return False

    def _doubt(self, frame: Telemetry, reason: str, *, agrees: bool) -> None:
        """Keep count of what is not believed, until it is a fault."""
        self.rejected += reason not in UNTIMELY
        self._noise += 1
        self._alike = self._alike + 1 if agrees or reason == self._reason else 1
        self._reason, self._rival = reason, None if _why_not(frame) else frame
        if self._alike >= PATIENCE and reason not in RECONSIDERED:
            self._judge(reason, self._rival if agrees else None)
        elif self._noise >= NOISE:
            self._judge(f"the line is noisy, of late {reason}", None)

    def _judge(self, fault: str, now: Telemetry | None) -> None:
        """It is a fault; what comes next is judged by the frames that were not believed, if they agreed."""
        self.fault, self.rebooted = fault, fault == REBOOTED
        self._last, self._alike, self._noise = now, 0, 0.0


def _why_not(frame: Telemetry) -> str:
    """What no body can do, whatever it did before."""
    for joint, (angle, speed) in enumerate(zip(frame.pos, frame.vel, strict=True)):
        if abs(angle) > LARGEST_ANGLE:
            return f"joint {joint} says that it is beyond {LARGEST_ANGLE:.1f} rad"
        if abs(speed) > LARGEST_SPEED:
            return f"joint {joint} says that it is faster than {LARGEST_SPEED:.0f} rad/s"
    for key, value, most in zip(IMU_KEYS, frame.imu or (), IMU_LIMITS, strict=False):
        if abs(value) > most:
            return f"the IMU's {key} is out of its range"
    if max(map(abs, frame.cur or (0.0,))) > LARGEST_CURRENT:
        return f"a motor says that it draws more than {LARGEST_CURRENT:.0f} A"
    return ""


def _why_not_after(frame: Telemetry, last: Telemetry | None) -> str:
    """What no body can do after `last`."""
    if last is None:
        return UNTIMELY[0]
    counted = frame.ts - last.ts
    if counted < -DRIFT:
        return REBOOTED
    if counted > (frame.time - last.time) * 1e3 + DRIFT:
        return "the Teensy's clock leapt ahead"
    if not 0 < counted <= MEMORY:
        return UNTIMELY[counted <= 0]
    # Note: the Teensy's clock, not ours, since frames that waited in a buffer arrive at one time
    return _why_not_so_soon(frame, last, counted)


def _why_not_so_soon(frame: Telemetry, last: Telemetry, gap: float) -> str:
    """What no body can do within `gap` [ms] of `last`: its angles, speeds and IMU must go together."""
    times, seconds = max(1.0, gap / USUAL), gap / 1e3
    fastest = max(map(abs, last.vel))
    allowed = JERK * times**2 + SHARE * fastest * seconds * times
    moves = zip(frame.pos, last.pos, frame.vel, last.vel, strict=True)
    for joint, (angle, before, speed, earlier) in enumerate(moves):
        if abs(angle - before - (speed + earlier) / 2 * seconds) > allowed:
            return f"joint {joint} leapt"
    if frame.imu is None or last.imu is None:
        return ""
    if math.dist(frame.imu[3:], last.imu[3:]) > (SHAKE + SHAKEN * fastest) * times**2:
        return SWUNG[0]
    turned = max(math.hypot(*frame.imu[3:]), math.hypot(*last.imu[3:])) * seconds + SWAY * times**2
    yawed = abs(math.remainder(frame.imu[2] - last.imu[2], math.tau)) * math.cos(frame.imu[1])
    if math.dist(_down(frame.imu), _down(last.imu)) > turned or yawed > turned:
        return SWUNG[1]
    return ""


def _down(imu: tuple[float, ...]) -> tuple[float, float, float]:
    """Gravity's direction in the IMU's axes; unlike roll and pitch it has no place where it leaps."""
    roll, pitch = imu[:2]
    return math.sin(pitch), -math.sin(roll) * math.cos(pitch), -math.cos(roll) * math.cos(pitch)
