"""The printed board is true to scale, on paper as in pixels."""

import re
import struct
import zlib
from pathlib import Path

import cv2
import numpy as np
import pytest

from leash_robot.calibration.camera.charuco_board import Board
from leash_robot.calibration.camera.charuco_sheet import DENSITY, POINT, RULER, write_sheet
from leash_robot.calibration.camera.views import Finder
from leash_robot.robot.errors import CalibrationError


def test_a_png_is_as_large_as_it_says(tmp_path: Path) -> None:
    path = tmp_path / "board.png"
    write_sheet(Board(), path)
    data = path.read_bytes()
    per_metre = struct.unpack(">II", data[data.index(b"pHYs") + 4 :][:8])
    page = cv2.imread(str(path))
    assert page is not None
    smaller = cv2.resize(page, None, fx=1 / 3, fy=1 / 3, interpolation=cv2.INTER_AREA)
    view = Finder(Board()).find(np.asarray(smaller, np.uint8))
    assert len(view) == len(Board().corners)
    seen, real = view.seen - view.seen[0], (view.points - view.points[0])[:, :2]
    np.testing.assert_allclose(3 * seen / per_metre, real, atol=0.05e-3)
    assert page.shape[1] / per_metre[0] == pytest.approx(0.297)


def test_a_pdf_has_every_module_of_the_board_and_a_ruler_at_its_true_size(tmp_path: Path) -> None:
    path = tmp_path / "board.pdf"
    write_sheet(Board(), path)
    data = path.read_bytes()
    drawing = zlib.decompress(data[data.index(b"stream\n") + 7 : data.index(b"\nendstream")]).decode()
    boxes = np.array([line.split()[:4] for line in drawing.splitlines() if line.endswith("re")], dtype=float) / POINT
    assert boxes[:, 2].max() == pytest.approx(RULER, abs=0.01)
    black = boxes[np.isclose(boxes[:, 3], 3.5, atol=1e-3)]
    assert (black[:, 2] * black[:, 3]).sum() == pytest.approx((Board().modules == 0).sum() * 3.5**2, rel=1e-3)
    width, height = map(float, re.findall(rb"MediaBox \[0 0 ([\d.]+) ([\d.]+)\]", data)[0])
    assert (width / POINT, height / POINT) == pytest.approx((297, 210), abs=0.01)


@pytest.mark.parametrize("paper", ["a4", "letter"])
def test_nothing_is_drawn_where_printers_do_not_print(tmp_path: Path, paper: str) -> None:
    path = tmp_path / "board.png"
    write_sheet(Board(), path, paper)
    page = cv2.imread(str(path), cv2.IMREAD_GRAYSCALE)
    assert page is not None
    edge = 4 * DENSITY
    inside = np.zeros(page.shape, bool)
    inside[edge:-edge, edge:-edge] = True
    assert (np.asarray(page)[~inside] == 255).all()


@pytest.mark.parametrize(
    ("board", "name", "said"),
    [
        (Board(square=0.04), "board.pdf", "do not fit on a4"),
        (Board(), "board.svg", "ends in .pdf or .png"),
        (Board(), "missing/board.pdf", "folder that exists"),
    ],
)
def test_what_cannot_be_printed_is_one_line(tmp_path: Path, board: Board, name: str, said: str) -> None:
    with pytest.raises(CalibrationError, match=said):
        write_sheet(board, tmp_path / name)
