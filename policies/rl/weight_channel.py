"""The newest network weights in shared memory: a learner publishes, a control loop reads without ever waiting."""

import zlib
from dataclasses import dataclass
from multiprocessing.shared_memory import SharedMemory
from typing import Self

import numpy as np
from numpy.typing import NDArray

SLOTS = 3
"""So many versions lie side by side; a reader is only disturbed when it sleeps through two publications."""


@dataclass(frozen=True)
class Address:
    """Where a channel lies; another process opens it there."""

    memory: str
    size: int


class WeightChannel:
    """The newest vector (size,) of float32 that anybody published."""

    def __init__(self, address: Address | None = None, *, size: int = 0) -> None:
        """Open the channel at `address`, or make one."""
        self._owner = address is None
        size = address.size if address else size
        self._memory = SharedMemory(address.memory if address else None, self._owner, 64 + SLOTS * size * 4)
        self.address = address or Address(self._memory.name, size)
        self._head: NDArray[np.int64] = np.ndarray((1 + SLOTS,), np.int64, self._memory.buf)
        self._sums: NDArray[np.int64] = np.ndarray((SLOTS,), np.int64, self._memory.buf, self._head.nbytes)
        self._slots: NDArray[np.float32] = np.ndarray((SLOTS, size), np.float32, self._memory.buf, 64)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def close(self) -> None:
        """Release the memory; its maker also frees it."""
        self._head, self._sums = np.zeros(1 + SLOTS, np.int64), np.zeros(SLOTS, np.int64)
        self._slots = np.zeros((SLOTS, 0), np.float32)
        self._memory.close()
        if self._owner:
            self._memory.unlink()

    @property
    def version(self) -> int:
        """How often something was published."""
        return int(self._head[0])

    def publish(self, values: NDArray[np.float32]) -> int:
        """Put a new vector (size,) there; returns its version."""
        version = self.version + 1
        slot = version % SLOTS
        self._head[1 + slot] = 0  # Note: a reader that sees the slot change under it finds its version gone.
        self._slots[slot] = values
        self._sums[slot] = zlib.crc32(self._slots[slot])
        self._head[1 + slot] = version
        self._head[0] = version
        return version

    def read(self, known: int) -> tuple[int, NDArray[np.float32]] | None:
        """The newest version and its vector, if it is newer than `known` and was not replaced while it was copied."""
        version = self.version
        if version <= known:
            return None
        slot = version % SLOTS
        values = self._slots[slot].copy()
        # Note: an ARM core may let others see the version before the values; the checksum waits for all of them.
        whole = int(self._head[1 + slot]) == version and int(self._sums[slot]) == zlib.crc32(values)
        return (version, values) if whole else None
