"""Ctrl-C as a request: a long training ends after its current step and keeps what it has."""

import contextlib
import signal
import threading
from collections.abc import Iterator
from types import FrameType

STOPPED = 130
"""Exit code of a command that was interrupted, as shells have it for Ctrl-C."""


@contextlib.contextmanager
def stoppable() -> Iterator[threading.Event]:
    """While the block runs, the first Ctrl-C, SIGTERM or SIGHUP sets the event; one more interrupts at once."""
    requested = threading.Event()

    def request(number: int, frame: FrameType | None) -> None:
        if requested.is_set():
            raise KeyboardInterrupt
        requested.set()

    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    before = {number: signal.signal(number, request) for number in numbers}
    try:
        yield requested
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
