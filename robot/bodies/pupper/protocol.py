"""The frames of the stock Pupper v2 firmware, in both directions: `00 N msgpack` out, `EE len16 msgpack CRLF` back.

Neither direction has a checksum, a sequence number or an acknowledgement. So the reader here trusts nothing: it
hunts for headers, decodes strictly, and resumes one byte later after anything that does not decode. What decodes can
still be wrong; telemetry_filter.py judges that. Joints are FR, FL, BR, BL x (abduction, hip, knee), in the firmware's
own angles, before any calibration.
"""

from collections import deque
from collections.abc import Mapping, Sequence
from typing import Annotated, Any

import msgpack
import msgspec
from msgspec import Meta

from leash_robot.robot.errors import WireError
from leash_robot.robot.safety.messages import Telemetry

JOINTS = 12

START = 0x00
HEADER = b"\x45\x45"
TAIL = b"\r\n"
SHORTEST, LONGEST = 20, 1024
"""Payload lengths of telemetry that are worth waiting for [bytes]; the longest real one is about 549."""
MODES = ("idle", "error", "homing", "position", "cartesian", "current")
"""What `Telemetry.mode` counts."""
IMU_KEYS = ("roll", "pitch", "yaw", "roll_rate", "pitch_rate", "yaw_rate")

Number = Annotated[float, Meta(ge=-1e6, le=1e6)]  # Note: bounds are what makes msgspec refuse NaN and infinity
Vector = Annotated[tuple[Number, ...], Meta(min_length=JOINTS, max_length=JOINTS)]


class _Payload(msgspec.Struct):
    ts: Annotated[float, Meta(ge=0, le=2**32)]
    pos: Vector
    vel: Vector
    roll: Number | None = None
    pitch: Number | None = None
    yaw: Number | None = None
    roll_rate: Number | None = None
    pitch_rate: Number | None = None
    yaw_rate: Number | None = None
    cur: Vector | None = None
    mode: Annotated[int, Meta(ge=0, lt=len(MODES))] | None = None


_decoder = msgspec.msgpack.Decoder(_Payload)


def encode_command(fields: Mapping[str, object]) -> bytes:
    """One command frame; floats travel as float32. Raises WireError unless 1 to 255 payload bytes come out.

    Note: length 0 makes the stock firmware write past its buffer, so an empty command must never leave this machine.
    """
    payload: bytes = msgpack.packb(dict(fields), use_single_float=True)
    if not fields or len(payload) > 255:
        raise WireError(f"a command of {len(fields)} fields and {len(payload)} bytes; 1..255 bytes fit a frame")
    return bytes((START, len(payload))) + payload


IDLE = encode_command({"idle": True})
"""Zero current until the next target."""


def encode_target(target: Sequence[float]) -> bytes:
    """The frame that sets the joint targets (12,) [rad]. Raises WireError for another number of joints."""
    if len(target) != JOINTS:
        raise WireError(f"a target of {len(target)} joints; the firmware takes {JOINTS}")
    return encode_command({"pos": [float(angle) for angle in target]})


def encode_gains(kp: float, kd: float, max_current: float) -> bytes:
    """The frame that sets kp [A/rad], kd [A/(rad/s)] and the current limit [A] of all joints."""
    return encode_command({"kp": float(kp), "kd": float(kd), "max_current": float(max_current)})


def encode_telemetry(
    ts: float,
    pos: Sequence[float],
    vel: Sequence[float],
    imu: Sequence[float] = (0.0,) * 6,
    **optional: object,
) -> bytes:
    """One state frame as the firmware sends it, with optional fields (`cur`, `mode`, ...) after the usual ones.

    `imu` (6,) is in the order of `Telemetry.imu`; an empty one leaves the fields out.
    """
    roll_pitch_yaw = dict(zip(IMU_KEYS, map(float, imu), strict=False))
    order = ("yaw", "pitch", "roll", "yaw_rate", "pitch_rate", "roll_rate")
    fields = {key: roll_pitch_yaw[key] for key in order if key in roll_pitch_yaw}
    vectors = {"pos": [float(value) for value in pos], "vel": [float(value) for value in vel]}
    payload: bytes = msgpack.packb({"ts": int(ts), **fields, **vectors, **optional}, use_single_float=True)
    return HEADER + len(payload).to_bytes(2, "big") + payload + TAIL


def decode_telemetry(payload: bytes, time: float) -> Telemetry | None:
    """What a payload says, or None when it is not exactly one well-formed state."""
    try:
        raw = _decoder.decode(payload)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None
    imu = (raw.roll, raw.pitch, raw.yaw, raw.roll_rate, raw.pitch_rate, raw.yaw_rate)
    present = tuple(value for value in imu if value is not None)
    if 0 < len(present) < len(imu):
        return None
    return Telemetry(time, raw.ts, raw.pos, raw.vel, present if any(present) else None, raw.cur, raw.mode)


class TelemetryParser:
    """Turns what arrives, in pieces of any size, into states and lines of text. Never holds more than two frames."""

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._text = bytearray()
        self._lines: deque[str] = deque(maxlen=16)

    def feed(self, data: bytes, now: float) -> list[Telemetry]:
        """Take what was read at monotonic time `now` [s]; return every complete frame in it, oldest first."""
        frames = []
        self._buffer += data
        start = 0
        while (found := self._next_frame(start, now)) is not None:
            begin, end, frame = found
            self._read_text(start, begin)
            frames.append(frame)
            start = end
        self._keep_from(start)
        return frames

    def take_lines(self) -> list[str]:
        """The lines of text seen since the last call, oldest first; at most 16."""
        lines = list(self._lines)
        self._lines.clear()
        return lines

    def _next_frame(self, start: int, now: float) -> tuple[int, int, Telemetry] | None:
        """The first complete frame from `start` on: where it begins, where it ends, what it says.

        Note: a damaged length may claim bytes that are yet to come, so frames behind it are looked for all the same.
        """
        begin = self._buffer.find(HEADER, start)
        while begin >= 0:
            end = self._end_of_frame(begin)
            if end is not None and end <= len(self._buffer) and self._buffer[end - 2 : end] == TAIL:
                frame = decode_telemetry(bytes(self._buffer[begin + 4 : end - 2]), now)
                if frame is not None:
                    return begin, end, frame
            begin = self._buffer.find(HEADER, begin + 1)
        return None

    def _end_of_frame(self, begin: int) -> int | None:
        """Where a frame that begins at `begin` would end; None when its length is missing or absurd."""
        if len(self._buffer) < begin + 4:
            return None
        length = int.from_bytes(self._buffer[begin + 2 : begin + 4], "big")
        return begin + 4 + length + 2 if SHORTEST <= length <= LONGEST else None

    def _keep_from(self, start: int) -> None:
        """Drop what is used up and what can no longer become a frame."""
        begin = self._buffer.find(HEADER, start)
        while begin >= 0 and not self._may_complete(begin):
            begin = self._buffer.find(HEADER, begin + 1)
        if begin < 0:
            begin = len(self._buffer) - (1 if self._buffer.endswith(HEADER[:1]) else 0)
        begin = max(begin, start)
        self._read_text(start, begin)
        del self._buffer[:begin]

    def _may_complete(self, begin: int) -> bool:
        end = self._end_of_frame(begin)
        return end > len(self._buffer) if end is not None else len(self._buffer) < begin + 4

    def _read_text(self, start: int, end: int) -> None:
        """Look for lines of printable ASCII between frames."""
        self._text += self._buffer[start:end]
        *lines, rest = self._text.split(b"\n")
        self._text = rest[-256:]
        for line in lines:
            text = line.strip()
            if len(text) >= 3 and text.isascii() and text.decode().isprintable():
                self._lines.append(text.decode()[:200])


class CommandParser:
    """The firmware's side: start byte, length, payload; no checksum, no time-out and no way back into step."""

    def __init__(self) -> None:
        self._buffer = bytearray()
        self.overrun = False
        """Whether a frame of length 0 came: the real firmware has then overwritten its own memory."""

    def feed(self, data: bytes) -> list[bytes]:
        """Take received bytes; return the payloads that are complete."""
        payloads: list[bytes] = []
        self._buffer += data
        while not self.overrun:
            start = self._buffer.find(START)
            del self._buffer[: start if start >= 0 else len(self._buffer)]
            if len(self._buffer) < 2 or len(self._buffer) < 2 + self._buffer[1]:
                return payloads
            length = self._buffer[1]
            self.overrun = length == 0
            payloads += [bytes(self._buffer[2 : 2 + length])] if length else []
            del self._buffer[: 2 + length]
        self._buffer.clear()
        return payloads


def decode_command(payload: bytes) -> dict[str, Any]:
    """The fields of a command payload, read as the firmware reads it: trailing bytes and non-maps are ignored.

    Raises WireError with the text that the firmware prints.
    """
    try:
        value = msgpack.unpackb(payload)
    except msgpack.ExtraData as extra:
        value = extra.unpacked
    except (ValueError, TypeError):
        raise WireError("Deserialize failed: InvalidInput") from None
    return value if isinstance(value, dict) else {}
