"""Ctrl-C as a request: a long training ends after its current step and keeps what it has."""

import contextlib
import signal
import threading
from collections.abc import Iterator
from pathlib import Path
from types import FrameType

STOPPED = 130
"""Exit code of a command that was interrupted, as shells have it for Ctrl-C."""


def checkpoint_of(out: Path) -> Path:
    """Where the training of a policy is kept while it is interrupted."""
    return out.with_name(f"{out.stem}.checkpoint.safetensors")


@contextlib.contextmanager
def stoppable() -> Iterator[threading.Event]:
    """While the block runs, the first Ctrl-C, SIGTERM or SIGHUP sets the event; one more interrupts at once."""
    asked = threading.Event()

    def ask(number: int, frame: FrameType | None) -> None:
        if asked.is_set():
            raise KeyboardInterrupt
        asked.set()

    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    before = {number: signal.signal(number, ask) for number in numbers}
    try:
        yield asked
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
