"""What `leash bench cockpit` measures, and that it runs."""

import cv2
import numpy as np
import pytest

from leash_robot.benchmarks.loop.chromium import missing
from leash_robot.benchmarks.loop.cockpit import BenchCockpit, measure
from leash_robot.benchmarks.loop.pages import burned
from leash_robot.robot.cameras.synthetic import COLUMNS, ROWS, burn


def bits_of(frame: int, when: float) -> str:
    rgb = burn(np.zeros((480, 640, 3), np.uint8), frame, when)
    cells = cv2.resize(rgb[:120, :, 1], (COLUMNS, ROWS), interpolation=cv2.INTER_AREA)
    return "".join("1" if cell > 127 else "0" for cell in cells.ravel())


def test_the_capture_time_is_read_from_the_pixels() -> None:
    assert burned(bits_of(17, 1234.567891)) == pytest.approx(1234.567891)


def test_a_damaged_barcode_and_a_black_canvas_tell_nothing() -> None:
    bits = bits_of(17, 1234.5)
    assert burned(("0" if bits[50] == "1" else "1").join((bits[:50], bits[51:]))) is None
    assert burned("0" * 112) is None


@pytest.mark.slow
@pytest.mark.skipif(bool(missing()), reason=f"not measured in a browser: {missing()}")
def test_pixels_arrive_and_lateness_is_compared() -> None:
    figures = measure(BenchCockpit(seconds=4.0, viewers=2, rounds=1))
    assert figures["pixel_p95_ms"] > figures["pixel_p50_ms"] > 0
    assert figures["late_shift_p99_ms"] == figures["late_p99_ms"] - figures["late_p99_without_ms"]
    assert figures["frames_a_second"] > 1
