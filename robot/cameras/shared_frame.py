"""Memory that a camera's process shares with the loop: the newest JPEG, its capture time, and how the camera is.

A ring of four slots under one counter. The writer fills a slot nobody reads and then moves the counter on; the reader
copies the newest slot and checks it. Nothing is locked, so a process that dies in the middle leaves the last frame
readable. Note: the checksum, not the order of the stores, is what proves a copy whole; ARM may reorder stores.
"""

import mmap
import os
import struct
import zlib
from dataclasses import dataclass
from enum import IntEnum
from typing import Any

SLOTS = 4
ATTEMPTS = 3
HEAD = 4096
"""Bytes before the first slot: the counter, and a slot of its own for the camera's condition."""


class SharedFrameState(IntEnum):
    """How a camera is."""

    OPENING = 0
    LIVE = 1
    FROZEN = 2
    LOST = 3


_COUNTER = struct.Struct("=Q")
_CONDITION = struct.Struct("=QIB")
_SLOT = struct.Struct("=QdI")
_SUM = struct.Struct("=I")
_CONDITION_AT = 64


@dataclass(frozen=True, slots=True)
class Stored:
    """A frame as it lies in memory."""

    count: int
    """How many frames this camera has delivered, this one included."""
    time: float
    """Monotonic time of capture [s]."""
    jpeg: bytes


@dataclass(frozen=True, slots=True)
class Condition:
    """What the camera's process knows about its camera."""

    state: SharedFrameState = SharedFrameState.OPENING
    message: str = ""
    """Why it is lost; or what is done to its pictures."""
    dropped: int = 0
    """Frames thrown away because they were damaged or too large."""


class FrameMemory:
    """One writer's newest frame, for any number of readers that inherit the file descriptor."""

    def __init__(self, fd: int) -> None:
        """Map the memory behind a descriptor that `create` made; the descriptor stays the caller's."""
        size = os.fstat(fd).st_size
        self._slot = (size - HEAD) // SLOTS
        self._map = mmap.mmap(fd, size)
        self.capacity = self._slot - _SLOT.size - _SUM.size
        """Largest JPEG [bytes]."""

    @staticmethod
    def create(capacity: int) -> int:
        """Make anonymous memory for frames of up to `capacity` bytes; returns its descriptor.

        Pages are only taken once they are written, so a generous capacity costs nothing.
        """
        fd = os.memfd_create("leash-camera")
        slot = (capacity + _SLOT.size + _SUM.size + 63) // 64 * 64
        os.ftruncate(fd, HEAD + SLOTS * slot)
        return fd

    def close(self) -> None:
        """Unmap."""
        self._map.close()

    @property
    def count(self) -> int:
        """How many frames were delivered."""
        count: int = _COUNTER.unpack_from(self._map, 0)[0]
        return count

    def write(self, time: float, jpeg: bytes) -> bool:
        """Make this the newest frame; False when it is larger than a slot."""
        if len(jpeg) > self.capacity:
            return False
        count = self.count + 1
        self._put(self._offset(count), _SLOT.pack(count, time, len(jpeg)), jpeg)
        _COUNTER.pack_into(self._map, 0, count)
        return True

    def read(self) -> Stored | None:
        """Copy the newest frame; None when there is none, or none whole in three attempts."""
        for _ in range(ATTEMPTS):
            count = self.count
            if count == 0:
                return None
            if (record := self._get(self._offset(count), _SLOT, 2)) is not None:
                (number, time, _), jpeg = record
                if number == count:
                    return Stored(count, time, jpeg)
        return None

    def newer(self, than: Stored | None) -> Stored | None:
        """The newest frame if it is another than the one at hand, and the one at hand if not."""
        if than is not None and self.count == than.count:
            return than
        return self.read() or than

    def describe(self, condition: Condition) -> None:
        """Say how the camera is."""
        text = condition.message.encode()[:1000]
        self._put(_CONDITION_AT, _CONDITION.pack(condition.dropped, len(text), condition.state), text)

    @property
    def condition(self) -> Condition:
        """How the camera is, as its process last said; opening before it did."""
        for _ in range(ATTEMPTS):
            if (record := self._get(_CONDITION_AT, _CONDITION, 1)) is not None:
                (dropped, _, state), text = record
                return Condition(SharedFrameState(state), text.decode(errors="replace"), dropped)
        return Condition()

    def _offset(self, count: int) -> int:
        return HEAD + count % SLOTS * self._slot

    def _put(self, at: int, head: bytes, body: bytes) -> None:
        body_at = at + len(head) + _SUM.size
        self._map[at : at + len(head)] = head
        self._map[body_at : body_at + len(body)] = body
        _SUM.pack_into(self._map, at + len(head), zlib.crc32(body, zlib.crc32(head)))

    def _get(self, at: int, kind: struct.Struct, length_field: int) -> tuple[tuple[Any, ...], bytes] | None:
        """Fields and body of a record, if its checksum holds.

        Note: the head is copied once and never looked at again in the memory, where it may have become another's.
        """
        head = self._map[at : at + kind.size]
        fields = kind.unpack(head)
        if fields[length_field] > self._slot:
            return None
        (stated,) = _SUM.unpack_from(self._map, at + kind.size)
        body_at = at + kind.size + _SUM.size
        body = self._map[body_at : body_at + fields[length_field]]
        return (fields, body) if zlib.crc32(body, zlib.crc32(head)) == stated else None
