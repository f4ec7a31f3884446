"""Looking at a JPEG without decoding it: whether it is whole, and how large the picture is."""

START, END = b"\xff\xd8", b"\xff\xd9"

_SIZED = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
"""Markers of the frame headers that carry height and width (ITU-T T.81, table B.1)."""


def jpeg_size(jpeg: bytes) -> tuple[int, int] | None:
    """(height, width) of a whole JPEG; None when it is cut off or none at all. Trailing zeros are forgiven."""
    if not jpeg.startswith(START) or not jpeg.rstrip(b"\0").endswith(END):
        return None
    at = len(START)
    while at + 9 <= len(jpeg) and jpeg[at] == 0xFF:
        if jpeg[at + 1] in _SIZED:
            return int.from_bytes(jpeg[at + 5 : at + 7]), int.from_bytes(jpeg[at + 7 : at + 9])
        at += 2 + int.from_bytes(jpeg[at + 2 : at + 4])
    return None
