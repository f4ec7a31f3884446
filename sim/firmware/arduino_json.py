"""What ArduinoJson, in a document of fixed size, makes of a MessagePack message; the twin's firmware reads with it.

Differs from an ordinary decoder where the robot does: the first of two equal keys wins, bytes after the value are
ignored, and a value that does not fit the document is refused.
"""

import struct

CAPACITY = 512
"""Size of the firmware's document [bytes]."""
BYTES_PER_VALUE = 20
"""What one array element or map entry takes of it.

Note: the library's own figure for 32-bit machines is 16, with which two arrays of twelve would just fit; those who
used the robot report that they do not. The twin sides with them, so that nobody comes to rely on it.
"""
DEEPEST = 10

Value = None | bool | int | float | str | list["Value"] | dict[str, "Value"]


class DocumentError(Exception):
    """Why the document could not be read, in the library's own word."""


class JsonReader:
    """Reads one value from the start of a buffer."""

    def __init__(self, buffer: bytes) -> None:
        self._buffer = buffer
        self._at = 0
        self._used = 0

    def read(self, depth: int = DEEPEST) -> Value:
        """The value that starts here. Raises DocumentError."""
        tag = self._take(1)[0]
        if tag <= 0x7F:
            return tag
        if tag >= 0xE0:
            return tag - 0x100
        if tag <= 0x8F:
            return self._map(tag & 0x0F, depth)
        if tag <= 0x9F:
            return self._array(tag & 0x0F, depth)
        if tag <= 0xBF:
            return self._text(tag & 0x1F)
        return self._tagged(tag, depth)

    def _tagged(self, tag: int, depth: int) -> Value:
        if tag in _SINGLES:
            return _SINGLES[tag]
        if tag in _NUMBERS:
            number: float | int = _NUMBERS[tag].unpack(self._take(_NUMBERS[tag].size))[0]
            return number
        if tag in _LENGTHS:
            kind, size = _LENGTHS[tag]
            length = int.from_bytes(self._take(size), "big")
            if kind == "text":
                return self._text(length)
            return self._map(length, depth) if kind == "map" else self._array(length, depth)
        raise DocumentError("InvalidInput" if tag == 0xC1 else "NotSupported")

    def _array(self, length: int, depth: int) -> list[Value]:
        return [self._entry(depth) for _ in range(length)] if depth else self._too_deep()

    def _map(self, length: int, depth: int) -> dict[str, Value]:
        fields: dict[str, Value] = {}
        if not depth:
            self._too_deep()
        for _ in range(length):
            key = self._key()
            fields.setdefault(key, self._entry(depth))
        return fields

    def _key(self) -> str:
        tag = self._take(1)[0]
        if 0xA0 <= tag <= 0xBF:
            return self._text(tag & 0x1F)
        if _LENGTHS.get(tag, ("", 0))[0] == "text":
            return self._text(int.from_bytes(self._take(_LENGTHS[tag][1]), "big"))
        raise DocumentError("InvalidInput")

    def _entry(self, depth: int) -> Value:
        self._used += BYTES_PER_VALUE
        if self._used > CAPACITY:
            raise DocumentError("NoMemory")
        return self.read(depth - 1)

    def _text(self, length: int) -> str:
        return self._take(length).decode("latin-1")

    def _take(self, count: int) -> bytes:
        piece = self._buffer[self._at : self._at + count]
        if len(piece) < count:
            raise DocumentError("IncompleteInput")
        self._at += count
        return piece

    @staticmethod
    def _too_deep() -> list[Value]:
        raise DocumentError("TooDeep")


_SINGLES: dict[int, Value] = {0xC0: None, 0xC2: False, 0xC3: True}
_NUMBERS = {
    0xCA: struct.Struct(">f"),
    0xCB: struct.Struct(">d"),
    0xCC: struct.Struct(">B"),
    0xCD: struct.Struct(">H"),
    0xCE: struct.Struct(">I"),
    0xCF: struct.Struct(">Q"),
    0xD0: struct.Struct(">b"),
    0xD1: struct.Struct(">h"),
    0xD2: struct.Struct(">i"),
    0xD3: struct.Struct(">q"),
}
_LENGTHS = {
    0xD9: ("text", 1),
    0xDA: ("text", 2),
    0xDB: ("text", 4),
    0xDC: ("array", 2),
    0xDD: ("array", 4),
    0xDE: ("map", 2),
    0xDF: ("map", 4),
}


def as_float(value: Value) -> float:
    """The number that a value stands for; what stands for none is 0."""
    if isinstance(value, bool | int | float):
        return float(value)
    if isinstance(value, str):
        try:
            return float(value)
        except ValueError:
            return 0.0
    return 0.0


def as_bool(value: Value) -> bool:
    """Whether a value counts as true: numbers other than 0, and everything else that is there."""
    return bool(value) if isinstance(value, bool | int | float) or value is None else True
