"""The arm's bus: `A5 op n payload sum`, one request at a time; only reading is answered.

Numbers are int16, little-endian, milliradians and milliradians a second. A frame that would collide with a reply waits.
"""

import struct
from collections.abc import Iterator, Sequence

from leash_robot.robot.errors import SpecError
from leash_robot.robot.safety.messages import GateConfig, Telemetry
from leash_robot.robot.safety.state import GateFault, Write

START = 0xA5
READ, MOVE, TORQUE, STATE = 0x01, 0x02, 0x03, 0x81
JOINTS = 3
EVERY, PATIENCE = 0.01, 0.02
"""Time between two requests, and how long a reply is waited for [s]."""


def frame(op: int, payload: bytes = b"") -> bytes:
    """One frame in either direction."""
    body = bytes((op, len(payload))) + payload
    return bytes((START,)) + body + bytes((sum(body) & 0xFF,))


def take_frames(buffer: bytearray) -> Iterator[tuple[int, bytes]]:
    """Op and payload of every whole frame; the buffer keeps the rest."""
    while (start := buffer.find(START)) >= 0:
        del buffer[:start]
        if len(buffer) < 4 or len(buffer) < 4 + buffer[2]:
            return
        end = 4 + buffer[2]
        whole = bytes(buffer[:end])
        if sum(whole[1:-1]) & 0xFF == whole[-1]:
            del buffer[:end]
            yield whole[1], whole[3:-1]
        else:
            del buffer[:1]
    buffer.clear()


def milli(values: Sequence[float]) -> bytes:
    """Numbers as they travel."""
    return struct.pack(f"<{len(values)}h", *(round(1e3 * value) for value in values))


class DeskArmCodec:
    """Fits `Codec`."""

    def __init__(self, config: GateConfig) -> None:
        if len(config.names) != JOINTS:
            raise SpecError(f"the arm has {JOINTS} joints, not {len(config.names)}")
        self._torque, self._yielding = (int(float(str(config.settings[name]))) for name in ("torque", "yielding"))
        self.rejected, self.line = 0, ""
        self.due = 0.0
        self._waiting = False
        self._held: list[bytes] = []
        self._buffer = bytearray()

    def poll(self, now: float) -> Sequence[bytes]:
        """What waited for a reply, and the next request."""
        self._waiting, self.due = True, now + PATIENCE
        return [*self.flush(), frame(READ)]

    def flush(self) -> Sequence[bytes]:
        """What waited for a reply."""
        held, self._held = self._held, []
        return held

    def feed(self, data: bytes, now: float) -> Iterator[Telemetry | GateFault]:
        """The states in what arrived."""
        self._buffer += data
        for op, payload in take_frames(self._buffer):
            if op != STATE or len(payload) != 4 * JOINTS:
                self.rejected += 1
                continue
            values = [value / 1e3 for value in struct.unpack(f"<{2 * JOINTS}h", payload)]
            self._waiting, self.due = False, now if self._held else now + EVERY
            yield Telemetry(now, now * 1e3, tuple(values[:JOINTS]), tuple(values[JOINTS:]))

    def encode(self, write: Write) -> Sequence[bytes]:
        """The frames of one decision, at once where the bus is free."""
        torque = {"arm": self._torque, "damp": self._yielding, "redamp": self._yielding, "release": 0}.get(write.kind)
        frames = [frame(MOVE, milli(write.target))] if write.target else []
        frames += [frame(TORQUE, bytes((torque,)))] if torque is not None else []
        if self._waiting:
            self._held += frames
            return ()
        return frames
