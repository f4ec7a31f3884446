"""The board on paper, true to scale: a PDF of filled rectangles, or a PNG that says how large its pixels are.

Below the pattern runs a line of known length, by which a person checks the print with a ruler.
"""

import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from leash_robot.calibration.camera.charuco_board import MODULES, Board
from leash_robot.robot.cameras.image import Pixels
from leash_robot.robot.errors import CalibrationError

PAPERS = {"a4": (297.0, 210.0), "letter": (279.4, 215.9)}
"""Width and height, the long side across [mm]."""
KINDS = (".pdf", ".png")
MARGIN = 4.0
"""What most printers leave white at the edges [mm]."""
DENSITY = 12
"""Pixels of a PNG per mm."""
POINT = 72 / 25.4
"""Units of a PDF per mm."""
RULER = 200
"""Length of the line that is measured after printing [mm]."""


@dataclass(frozen=True)
class SheetBox:
    """A black rectangle; origin at the upper left corner of the sheet [mm]."""

    x: float
    y: float
    width: float
    height: float


@dataclass(frozen=True)
class Text:
    """A line of text with its baseline at y [mm]."""

    x: float
    y: float
    size: float
    words: str


def write_sheet(board: Board, path: Path, paper: str = "a4") -> None:
    """Write the sheet into `path`. Raises CalibrationError for another kind of file, or a board that does not fit."""
    if path.suffix not in KINDS:
        raise CalibrationError(f"cannot write a board into {path}; name a file that ends in {' or '.join(KINDS)}")
    data = _pdf(board, paper) if path.suffix == ".pdf" else _png(board, paper)
    try:
        path.write_bytes(data)
    except OSError as error:
        raise CalibrationError(f"cannot write {path}: {error.strerror}; name a file in a folder that exists") from None


def drawing(board: Board, paper: str) -> list[SheetBox | Text]:
    """Everything on the sheet. Raises CalibrationError."""
    width, height = PAPERS[paper]
    across, down = (1e3 * side for side in board.size)
    left, top = (width - across) / 2, MARGIN + 8
    if left < MARGIN or top + down + 14 > height - MARGIN:
        raise CalibrationError(
            f"{board.columns} x {board.rows} squares of {1e3 * board.square:g} mm do not fit on {paper} "
            f"({width:g} x {height:g} mm); choose smaller squares or fewer of them"
        )
    return [*_pattern(board, left, top), *_ruler(board, width, top + down + 8)]


def _pattern(board: Board, left: float, top: float) -> Iterator[SheetBox]:
    """Runs of black modules, row by row."""
    module = 1e3 * board.square / MODULES
    for row, cells in enumerate(board.modules):
        black = np.diff(np.concatenate([[0], (cells == 0).astype(np.int8), [0]]))
        for begin, end in zip(np.flatnonzero(black == 1), np.flatnonzero(black == -1), strict=True):
            yield SheetBox(left + begin * module, top + row * module, (end - begin) * module, module)


def _ruler(board: Board, width: float, y: float) -> Iterator[SheetBox | Text]:
    left = (width - RULER) / 2
    yield SheetBox(left, y, RULER, 0.25)
    for mark in range(0, RULER + 1, 10):
        tall = 4.0 if mark % 50 == 0 else 2.0
        yield SheetBox(left + mark - 0.125, y - tall / 2, 0.25, tall)
    yield Text(
        left,
        y + 6,
        3.5,
        f"This line is {RULER} mm long. If it is not, print again at 100 % (no fitting to the page). "
        f"{board.columns} x {board.rows} squares of {1e3 * board.square:g} mm.",
    )


def _pdf(board: Board, paper: str) -> bytes:
    """One page, drawn in black; y grows upward in a PDF."""
    width, height = PAPERS[paper]
    lines = []
    for item in drawing(board, paper):
        if isinstance(item, SheetBox):
            box = (item.x, height - item.y - item.height, item.width, item.height)
            lines.append(" ".join(f"{POINT * value:.4f}" for value in box) + " re")
        else:
            place = f"{POINT * item.x:.3f} {POINT * (height - item.y):.3f}"
            lines.append(f"f BT /F1 {POINT * item.size:.2f} Tf {place} Td ({item.words.translate(ESCAPES)}) Tj ET")
    content = "\n".join([*lines, "f"]).encode("ascii")
    return _document(content, POINT * width, POINT * height)


ESCAPES = str.maketrans({"(": r"\(", ")": r"\)", "\\": r"\\"})


def _document(content: bytes, width: float, height: float) -> bytes:
    """A PDF file around the drawing of its only page."""
    packed = zlib.compress(content)
    objects = [
        b"<< /Type /Catalog /Pages 2 0 R /ViewerPreferences << /PrintScaling /None >> >>",
        b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
        f"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 {width:.3f} {height:.3f}] /Contents 4 0 R "
        "/Resources << /Font << /F1 << /Type /Font /Subtype /Type1 /BaseFont /Helvetica >> >> >> >>".encode(),
        b"<< /Length %d /Filter /FlateDecode >>\nstream\n%s\nendstream" % (len(packed), packed),
    ]
    out, places = b"%PDF-1.4\n", []
    for number, body in enumerate(objects, 1):
        places.append(len(out))
        out += b"%d 0 obj\n%s\nendobj\n" % (number, body)
    table = b"xref\n0 %d\n0000000000 65535 f \n" % (len(objects) + 1)
    table += b"".join(b"%010d 00000 n \n" % place for place in places)
    trailer = b"trailer\n<< /Size %d /Root 1 0 R >>\nstartxref\n%d\n%%%%EOF\n" % (len(objects) + 1, len(out))
    return out + table + trailer


def _png(board: Board, paper: str) -> bytes:
    """The same page as pixels, with the size of a pixel told to printers."""
    width, height = PAPERS[paper]
    page: Pixels = np.full((round(height * DENSITY), round(width * DENSITY)), 255, np.uint8)
    for item in drawing(board, paper):
        if isinstance(item, SheetBox):
            x, y = round(item.x * DENSITY), round(item.y * DENSITY)
            right, bottom = round((item.x + item.width) * DENSITY), round((item.y + item.height) * DENSITY)
            page[y:bottom, x:right] = 0
        else:
            place = (round(item.x * DENSITY), round(item.y * DENSITY))
            scale = item.size * DENSITY / 36
            cv2.putText(page, item.words, place, cv2.FONT_HERSHEY_SIMPLEX, scale, (0,), 2, cv2.LINE_AA)
    data = cv2.imencode(".png", page)[1].tobytes()
    body = b"pHYs" + struct.pack(">IIB", 1000 * DENSITY, 1000 * DENSITY, 1)
    chunk = struct.pack(">I", len(body) - 4) + body + struct.pack(">I", zlib.crc32(body))
    header = 8 + 25  # the signature and the first chunk, which says how large the picture is
    return data[:header] + chunk + data[header:]
