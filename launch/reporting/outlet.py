"""Standard error that nobody ever waits for: a thread of its own writes, and what a stalled terminal does not take in
time is dropped. Whoever drives motors may print here.
"""

import atexit
import io
import os
import sys
import threading
from collections import deque
from functools import partial
from typing import TextIO

from rich.file_proxy import FileProxy

KEPT = 1 << 16
"""Characters that wait for a terminal which does not take them; more are dropped."""
FAREWELL = 1.0
"""How long the end of the program waits for a terminal that takes nothing [s]."""


class Outlet(io.TextIOBase):
    """Fits the text stream that a console writes to."""

    def __init__(self) -> None:
        self._waiting: deque[tuple[int, bytes]] = deque()
        self._size = 0
        self._news = threading.Condition()
        self._thread: threading.Thread | None = None
        self.dropped = 0
        """Characters that nobody took."""

    @property
    def encoding(self) -> str:  # type: ignore[override]
        """Of standard error."""
        return _target().encoding or "utf-8"

    def isatty(self) -> bool:
        """Whether standard error is a terminal."""
        return _target().isatty()

    def fileno(self) -> int:
        """Of standard error."""
        return _target().fileno()

    def writable(self) -> bool:
        """Always."""
        return True

    def write(self, text: str) -> int:
        """Hand over what is to be written. Does not wait."""
        target = _target()
        try:
            descriptor = target.fileno()
        except (io.UnsupportedOperation, ValueError, AttributeError):
            return target.write(text)  # a stream in memory takes everything at once
        self._hand_over(descriptor, text.encode(self.encoding, "replace"))
        return len(text)

    def drain(self, patience: float = FAREWELL) -> bool:
        """Wait until all is written, as long as some of it is within `patience` [s]; whether all is."""
        with self._news:
            while self._size:
                if not self._news.wait_for(partial(self._less_than, self._size), patience):
                    return False
        return True

    def _less_than(self, size: int) -> bool:
        return self._size < size

    def _hand_over(self, descriptor: int, data: bytes) -> None:
        with self._news:
            if self._size + len(data) > KEPT:
                self.dropped += len(data)
                return
            self._waiting.append((descriptor, data))
            self._size += len(data)
            if self._thread is None:
                self._thread = threading.Thread(target=self._write, name="outlet", daemon=True)
                self._thread.start()
                atexit.register(self.drain)
            self._news.notify_all()

    def _write(self) -> None:
        """Write what is handed over, for ever; what a closed terminal refuses is dropped."""
        while True:
            with self._news:
                self._news.wait_for(lambda: self._waiting)
                descriptor, data = self._waiting.popleft()
            written = _written(descriptor, data)
            with self._news:
                self.dropped += 0 if written else len(data)
                self._size -= len(data)
                self._news.notify_all()


def _written(descriptor: int, data: bytes) -> bool:
    """Write all of it, however long that takes; False when the terminal is gone."""
    while data:
        try:
            data = data[os.write(descriptor, data) :]
        except OSError:
            return False
    return True


def _target() -> TextIO:
    """Standard error as it is now, also while a live display stands before it."""
    stream = sys.stderr or sys.__stderr__ or io.StringIO()
    while isinstance(stream, FileProxy):
        stream = stream.rich_proxied_file
    return stream
