"""The keys of a terminal that stop a robot which moves by itself: Space and Escape, heard by a thread of their own."""

import contextlib
import os
import queue
import re
import select
import threading
from collections.abc import Callable
from typing import Self

from leash_robot.teleop.devices.terminal import STDIN, Terminal

EVERY = 0.05
"""The thread looks at least this often whether it shall end [s]."""
LONE_ESCAPE = re.compile(rb"\x1b(?![\[O])")


def in_foreground(fd: int = STDIN) -> bool:
    """Whether a person at a terminal types to us: a command in the background would be halted for reading."""
    try:
        return os.isatty(fd) and os.tcgetpgrp(fd) == os.getpgrp()
    except OSError:
        return False


class StopKeys:
    """Calls `pressed` at Space or Escape, between `__enter__` and `__exit__`; other keys wait for `key`."""

    def __init__(self, pressed: Callable[[str], None], fd: int = STDIN) -> None:
        """`pressed` is called by the thread, with the key's name. Raises OperatorError when `fd` is no terminal."""
        self._pressed, self._fd = pressed, fd
        self._terminal = Terminal(fd, protocol=False)
        self._typed: queue.SimpleQueue[str] = queue.SimpleQueue()
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._listen, daemon=True)

    def __enter__(self) -> Self:
        self._terminal.__enter__()
        self._thread.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._over.set()
        self._thread.join()
        self._terminal.__exit__(*exc)

    def key(self, seconds: float) -> str:
        """The next key that was typed, in lower case; empty when none was for so long [s]."""
        with contextlib.suppress(queue.Empty):
            return self._typed.get(timeout=seconds)
        return ""

    def forget(self) -> None:
        """Drop what was typed before a question was asked."""
        while not self._typed.empty():
            self._typed.get()

    def _listen(self) -> None:
        while not self._over.is_set() and not self._terminal.lost:
            if not in_foreground(self._fd):
                self._over.wait(EVERY)
            elif select.select([self._fd], [], [], EVERY)[0]:
                self._hear(self._terminal.read())

    def _hear(self, typed: bytes) -> None:
        """Note: an escape before a bracket or an O begins an arrow or the like; any other is the key."""
        if b" " in typed or LONE_ESCAPE.search(typed):
            self._pressed("Space" if b" " in typed else "Escape")
        for character in typed.decode(errors="ignore").lower():
            self._typed.put(character)
