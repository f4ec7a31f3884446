"""One direction of the twin's serial line: it delays, and when told to, flips bits and loses bytes."""

from collections import deque

import numpy as np


class Channel:
    """Carries bytes with a latency [ms]; damage is drawn from the generator given."""

    def __init__(self, latency: float, bit_errors: float, drops: float, rng: np.random.Generator) -> None:
        self._latency = latency
        self._bit_errors = bit_errors
        self._drops = drops
        self._rng = rng
        self._queue: deque[tuple[float, bytes]] = deque()

    def put(self, data: bytes, now: float) -> None:
        """Send bytes at time `now` [ms]."""
        if data:
            self._queue.append((now + self._latency, self._damage(data)))

    def take(self, now: float) -> bytes:
        """What has arrived by `now` [ms]."""
        if not self._queue or self._queue[0][0] > now:
            return b""
        arrived = []
        while self._queue and self._queue[0][0] <= now:
            arrived.append(self._queue.popleft()[1])
        return b"".join(arrived)

    def _damage(self, data: bytes) -> bytes:
        if self._drops > 0.0:
            kept = self._rng.random(len(data)) >= self._drops
            data = np.frombuffer(data, np.uint8)[kept].tobytes()
        if self._bit_errors > 0.0:
            flips = np.packbits(self._rng.random(8 * len(data)) < self._bit_errors)
            data = (np.frombuffer(data, np.uint8) ^ flips).tobytes()
        return data
