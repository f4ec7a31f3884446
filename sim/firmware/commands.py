"""How the firmware takes commands: the byte-wise receiver of `00 N payload` frames, and what a payload asks for."""

from typing import Any

import numpy as np

from leash_robot.robot.types import Array
from leash_robot.sim.firmware.arduino_json import DocumentError, JsonReader, Value, as_bool, as_float

BUFFER = 512
AXIS_ARRAYS = ("cart_kp", "cart_kd")
NUMBERS = ("kp", "kd", "max_current")
ACTS_IF_TRUE = ("zero", "home", "idle")

BAD_LENGTH = "Error: Invalid number of parameters in position command."

_CHECK_ORDER = ("pos", "cart_pos", "cart_kp", "cart_kd", "ff_force", "activations")
_HUNTING, _LENGTH, _PAYLOAD = range(3)

Command = dict[str, Any]


class Refused(Exception):
    """A payload that the firmware answers with a line of text and otherwise ignores."""


class Receiver:
    """Collects frames. There is no time-out and no way back into step: a lost byte borrows from the next frame."""

    def __init__(self) -> None:
        self._state = _HUNTING
        self._expected = 0
        self._filled = 0
        self._buffer = bytearray(BUFFER)
        self.hung = False
        """Whether a length of 0 came.

        Note: the real firmware then never finds the end of the frame and writes on over its own memory. Here, nothing
        is understood until the next power cycle while everything else goes on: the last target is held for ever.
        """

    def feed(self, data: bytes) -> list[bytes]:
        """Take bytes; return the buffer as it was at the end of each frame that became complete.

        The whole buffer is what the firmware unpacks from: a payload that promises more than its length finds the
        remains of earlier frames there.
        """
        complete: list[bytes] = []
        at = 0
        while at < len(data) and not self.hung:
            at = self._advance(data, at, complete)
        return complete

    def _advance(self, data: bytes, at: int, complete: list[bytes]) -> int:
        if self._state == _HUNTING:
            found = data.find(0, at)
            self._state = _LENGTH if found >= 0 else _HUNTING
            return found + 1 if found >= 0 else len(data)
        if self._state == _LENGTH:
            self._expected, self._filled, self._state = data[at], 0, _PAYLOAD
            self.hung = self._expected == 0
            return at + 1
        piece = data[at : at + self._expected - self._filled]
        self._buffer[self._filled : self._filled + len(piece)] = piece
        self._filled += len(piece)
        if self._filled == self._expected:
            self._buffer[self._filled] = 0
            complete.append(bytes(self._buffer))
            self._state = _HUNTING
        return at + len(piece)


def interpret(buffer: bytes) -> Command:
    """What a complete buffer asks for; unknown keys are left out. Raises Refused with the firmware's text."""
    try:
        document = JsonReader(buffer).read()
    except DocumentError as error:
        raise Refused(f"Deserialize failed: {error}") from None
    if not isinstance(document, dict):
        return {}
    command: Command = {key: _array(document[key], key) for key in _CHECK_ORDER if key in document}
    command |= {key: _single(as_float(document[key])) for key in NUMBERS if key in document}
    command |= {key: True for key in ACTS_IF_TRUE if key in document and as_bool(document[key])}
    if "debug" in document:
        command["debug"] = as_bool(document["debug"])
    return command


def _array(value: Value, key: str) -> Array:
    """Note: any array of a wrong length makes the firmware drop the whole map, also what came before it."""
    length = 3 if key in AXIS_ARRAYS else 12
    if not isinstance(value, list) or len(value) != length:
        raise Refused(BAD_LENGTH)
    if key == "activations":
        return np.array([float(as_bool(item)) for item in value])
    return np.array([_single(as_float(item)) for item in value])


def _single(value: float) -> float:
    """Round to float32, as the firmware stores it."""
    with np.errstate(over="ignore"):
        return float(np.float32(value))
