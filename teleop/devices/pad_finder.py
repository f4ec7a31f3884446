"""Looks for a gamepad in a thread of its own, so that no tick waits while input devices are opened."""

import math
import threading
from collections.abc import Callable

from leash_robot.robot.errors import OperatorError
from leash_robot.teleop.devices.pad_state import PadDevice, PadState

RETRY = 1.0
"""A lost gamepad is looked for this often [s]."""


class PadFinder:
    """One search at a time; what it found waits until it is taken."""

    def __init__(self, opener: Callable[[str | None], PadDevice], retry: float = RETRY) -> None:
        """`opener` opens the pad of a name, or any; raises OperatorError or OSError while there is none."""
        self._opener = opener
        self._retry = retry
        self._found: PadState | None = None
        self._lock = threading.Lock()
        self._over: threading.Event | None = None

    def look(self, name: str | None) -> None:
        """Begin to look for the pad of this name, at once and then every `retry` seconds."""
        self.close()
        self._over = threading.Event()
        threading.Thread(target=self._search, args=(name, self._over), name="pad finder", daemon=True).start()

    def take(self) -> PadState | None:
        """The pad, once it is found."""
        with self._lock:
            found, self._found = self._found, None
        return found

    def close(self) -> None:
        """End the search, and let go of a pad that nobody took. Does not wait for a device that keeps the search."""
        with self._lock:
            if self._over is not None:
                self._over.set()
            found, self._found = self._found, None
        if found is not None:
            found.device.close()

    def _search(self, name: str | None, over: threading.Event) -> None:
        while not over.is_set():
            try:
                device = self._opener(name)
            except (OSError, OperatorError):
                over.wait(self._retry)
                continue
            if self._hand_over(device, over):
                return

    def _hand_over(self, device: PadDevice, over: threading.Event) -> bool:
        """Put the pad where it can be taken; whether the search is over."""
        try:
            state = PadState(device, -math.inf)
        except OSError:
            device.close()
            return False
        with self._lock:
            if not over.is_set():
                self._found = state
                return True
        device.close()
        return True
