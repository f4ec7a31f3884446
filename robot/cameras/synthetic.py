"""A camera without hardware: burns frame number and capture time into its pixels, for machines and for people."""

import re
import struct
import urllib.parse
import zlib
from collections import deque

import cv2
import msgspec
import numpy as np

from leash_robot.robot.cameras.image import Image, Pixels
from leash_robot.robot.clock import Clock, Grid, MonotonicClock
from leash_robot.robot.errors import CameraError
from leash_robot.robot.spec import CameraSpec

ROWS, COLUMNS = 4, 28
"""The barcode: 112 cells over the top quarter of the frame, white for 1; 32 bits frame number, 48 bits time in
microseconds, 32 bits CRC of both."""

_SIZE = re.compile(r"synthetic(?::(?P<width>\d+)x(?P<height>\d+)(?:@(?P<rate>\d+(?:\.\d+)?))?)?(?:\?(?P<faults>.*))?")


class Faults(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a synthetic camera can be told to do wrong; `synthetic?delay=0.3&drop=0.1`."""

    freeze: int | None = None
    """The picture stands still from this frame on, though frames keep coming."""
    delay: float = 0.0
    """Frames arrive this long after they were captured [s]."""
    drop: float = 0.0
    """Share of the frames that never arrive."""
    lose: int | None = None
    """The camera is unplugged after this many frames; it can be opened again at once."""
    seed: int = 0


def parse_synthetic(source: str, spec: CameraSpec) -> tuple[CameraSpec, Faults]:
    """Read `synthetic[:WIDTHxHEIGHT[@RATE]][?FAULT=VALUE&...]`; size and rate default to the spec's.

    Raises CameraError.
    """
    match = _SIZE.fullmatch(source)
    if match is None:
        raise CameraError(f"{source!r} is not of the form synthetic:640x480@30?delay=0.3")
    sizes = {key: value for key in ("width", "height", "rate") if (value := match[key]) is not None}
    try:
        sized = msgspec.convert({**msgspec.to_builtins(spec), **sizes}, CameraSpec, strict=False)
        faults = dict(urllib.parse.parse_qsl(match["faults"] or "", keep_blank_values=True))
        return sized, msgspec.convert(faults, Faults, strict=False)
    except msgspec.ValidationError as error:
        known = ", ".join(Faults.__struct_fields__)
        raise CameraError(f"{source!r}: {error}; faults are {known}") from None


class Synthetic:
    """Fits `Frames`: an endless film at the spec's rate."""

    stamped = False

    def __init__(self, spec: CameraSpec, faults: Faults | None = None, clock: Clock | None = None) -> None:
        self._faults = faults or Faults()
        self._grid = Grid(1 / spec.rate, clock or MonotonicClock())
        self._background = _gradient(spec.height, spec.width)
        self._rng = np.random.default_rng(self._faults.seed)
        self._on_the_way: deque[Image] = deque()
        self._frozen: bytes | None = None
        self._frame = 0

    def close(self) -> None:
        """Nothing to give back."""

    def read(self) -> Image | None:
        """The next frame to arrive, or None when none does in this slot. Raises CameraError once unplugged."""
        self._grid.wait()
        now = self._grid.clock.now()
        if self._frame == self._faults.lose:
            raise CameraError("the synthetic camera was unplugged")
        self._on_the_way.append(self._captured(now))
        self._frame += 1
        if self._rng.random() < self._faults.drop:
            self._on_the_way.pop()
        arrived = self._on_the_way and self._on_the_way[0].time <= now - self._faults.delay
        return self._on_the_way.popleft() if arrived else None

    def _captured(self, now: float) -> Image:
        if self._frozen is not None:
            return Image(now, jpeg=self._frozen)
        image = Image(now, rgb=burn(self._background.copy(), self._frame, now))
        if self._frame == self._faults.freeze:
            self._frozen = image.jpeg
        return image


def burn(rgb: Pixels, frame: int, when: float) -> Pixels:
    """Draw the barcode and the text of a frame number and capture time [s] into (h, w, 3) pixels, and return them."""
    height, width = rgb.shape[:2]
    bits = np.unpackbits(np.frombuffer(_payload(frame, when), np.uint8)).reshape(ROWS, COLUMNS)
    rgb[: height // 4] = cv2.resize(bits * 255, (width, height // 4), interpolation=cv2.INTER_NEAREST)[..., None]
    x = frame * 5 % width
    cv2.circle(rgb, (x, height * 5 // 8), height // 16, (255, 200, 40), -1)
    for row, text in enumerate((f"frame {frame}", f"{when:.3f} s")):
        where = (width // 20, height * (12 + 2 * row) // 16)
        cv2.putText(rgb, text, where, cv2.FONT_HERSHEY_SIMPLEX, width / 500, (255, 255, 255), 1 + width // 400)
    return rgb


def read_burned(rgb: Pixels) -> tuple[int, float]:
    """Frame number and capture time [s] burned into (h, w, 3) pixels. Raises CameraError when no barcode is whole."""
    grey = np.ascontiguousarray(rgb[: rgb.shape[0] // 4, :, 1])
    cells = cv2.resize(grey, (COLUMNS, ROWS), interpolation=cv2.INTER_AREA)
    data = np.packbits(cells > 127).tobytes()
    frame = int.from_bytes(data[:4])
    when = int.from_bytes(data[4:10]) / 1e6
    if data != _payload(frame, when):
        raise CameraError(f"no whole barcode in this {rgb.shape[1]}x{rgb.shape[0]} frame")
    return frame, when


def _payload(frame: int, when: float) -> bytes:
    data = struct.pack(">I", frame % 2**32) + (round(when * 1e6) % 2**48).to_bytes(6)
    return data + struct.pack(">I", zlib.crc32(data))


def _gradient(height: int, width: int) -> Pixels:
    down, across = np.mgrid[0:height, 0:width]
    red, green = 40 + 100 * across // width, 40 + 100 * down // height
    return np.stack([red, green, np.full_like(red, 110)], axis=-1).astype(np.uint8)
