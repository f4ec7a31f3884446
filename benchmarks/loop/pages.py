"""Pages in a headless Chromium, in a process of their own, that tell when each frame's pixels were on the canvas.

The capture time is read from the pixels themselves: the synthetic camera burns it in as a barcode.
"""

import json
import subprocess
import sys
import time
import zlib
from collections.abc import Sequence
from typing import TYPE_CHECKING, Self

from leash_robot.benchmarks.loop.chromium import chromium
from leash_robot.robot.errors import OperatorError
from leash_robot.robot.host.child import python_command

if TYPE_CHECKING:
    from playwright.sync_api import Page

PATIENCE = 60.0
"""How long the pages may take to open [s]."""

WATCH = """() => {
  const small = new OffscreenCanvas(28, 4).getContext('2d', { willReadFrequently: true });
  small.imageSmoothingEnabled = false;
  window.seen = [];
  let last = '';
  const look = () => {
    requestAnimationFrame(look);
    const canvas = document.querySelector('#cameras canvas');
    if (!canvas) return;
    small.drawImage(canvas, 0, 0, canvas.width, canvas.height / 4, 0, 0, 28, 4);
    const pixels = small.getImageData(0, 0, 28, 4).data;
    let bits = '';
    for (let cell = 0; cell < 112; cell++) bits += pixels[cell * 4 + 1] > 127 ? '1' : '0';
    if (bits !== last) window.seen.push([performance.now(), bits]);
    last = bits;
  };
  look();
}"""
"""At every animation frame, the barcode on the canvas; noted with the page's time when it changed."""


class HeadlessPages:
    """Opens `viewers` pages at an address, between `__enter__` and `__exit__`."""

    def __init__(self, url: str, viewers: int) -> None:
        self._command = [
            *python_command("from leash_robot.benchmarks.loop.pages import main; main(sys.argv[1:])"),
            url,
            str(viewers),
        ]

    def __enter__(self) -> Self:
        """Raises OperatorError when the pages do not open."""
        self._process = subprocess.Popen(
            self._command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, start_new_session=True
        )
        if self._process.stdout is None or self._process.stdout.readline().strip() != "open":
            self.__exit__()
            raise OperatorError("the page did not open in Chromium; see above")
        return self

    def __exit__(self, *exc: object) -> None:
        self._process.communicate()

    def ages(self) -> list[float]:
        """How old each frame was when its pixels were first seen [s]; closes the pages."""
        told, _ = self._process.communicate()
        ages: list[float] = json.loads(told.splitlines()[-1])
        return ages


def main(args: Sequence[str]) -> None:
    """Open the pages, say so, watch until standard input ends, and print the ages as JSON."""
    url, viewers = args[0], int(args[1])
    with chromium() as browser:
        pages = [browser.new_context(viewport={"width": 1280, "height": 800}).new_page() for _ in range(viewers)]
        for page in pages:
            page.goto(url)
        for page in pages:
            page.wait_for_function("document.title.startsWith('leash')", timeout=PATIENCE * 1e3)
            page.evaluate(WATCH)
        print("open", flush=True)
        sys.stdin.read()
        print(json.dumps([age for page in pages for age in seen(page)]), flush=True)


def seen(page: "Page") -> list[float]:
    """Ages of the frames on a page [s]."""
    offset = clock_offset(page)
    rows: list[tuple[float, str]] = page.evaluate("window.seen")
    times = [(when / 1e3 + offset, burned(bits)) for when, bits in rows]
    return [when - captured for when, captured in times if captured is not None]


def clock_offset(page: "Page") -> float:
    """Our monotonic time minus the page's, from the quickest of several questions [s]."""
    asked = []
    for _ in range(30):
        before = time.monotonic()
        theirs = page.evaluate("performance.now()") / 1e3
        after = time.monotonic()
        asked.append((after - before, (before + after) / 2 - theirs))
    return float(min(asked)[1])


def burned(bits: str) -> float | None:
    """The capture time in a barcode [s]; None when it is damaged or none at all. See `robot.cameras.synthetic`."""
    data = int(bits, 2).to_bytes(len(bits) // 8)
    whole = data[10:] == zlib.crc32(data[:10]).to_bytes(4)
    return int.from_bytes(data[4:10]) / 1e6 if whole else None
