"""Reads a motion-JPEG stream over HTTP: multipart, each part with its Content-Length."""

import http.client
import time
import urllib.parse
from typing import BinaryIO

from robot.errors import CameraError
from robot.image import Image

TIMEOUT = 1.0
"""A stream that is silent for this long is lost [s]."""

LARGEST = 8 << 20
"""No frame is larger than this [bytes]."""

HEADERS = 32
"""No part has more header lines than this."""

LONGEST_AGE = 10.0
"""A capture time older than this, or from the future, comes from another machine's clock and is not believed [s]."""


class Mjpeg:
    """Fits `Frames`: the parts of one HTTP response."""

    def __init__(self, url: str) -> None:
        """Connect. Raises CameraError, also when the address answers with something else than a stream."""
        self._url = url
        self.stamped = False
        """Whether the last frame came with its own capture time."""
        self._connection = _connection(url)
        try:
            self._body = self._opened()
        except CameraError:
            self._connection.close()
            raise

    def close(self) -> None:
        """Hang up."""
        self._body.close()
        self._connection.close()

    def read(self) -> Image:
        """The next frame, stamped by its `X-Capture-Time` [monotonic s] or else on arrival. Raises CameraError."""
        try:
            headers = self._part()
            jpeg = self._body.read(self._length(headers))
        except (OSError, http.client.HTTPException) as error:
            raise CameraError(f"{self._url} stopped: {_reason(error)}") from None
        now = time.monotonic()
        captured = capture_time(headers.get("x-capture-time", ""), now)
        self.stamped = captured is not None
        return Image(now if captured is None else captured, jpeg=jpeg)

    def _opened(self) -> BinaryIO:
        parts = urllib.parse.urlsplit(self._url)
        target = urllib.parse.urlunsplit(("", "", parts.path or "/", parts.query, ""))
        try:
            self._connection.request("GET", target)
            response = self._connection.getresponse()
        except (OSError, http.client.HTTPException) as error:
            raise CameraError(f"no camera answers at {self._url}: {_reason(error)}") from None
        kind = response.headers.get_content_maintype()
        if response.status != 200 or kind != "multipart":
            raise CameraError(f"{self._url} answers {response.status} {response.headers.get_content_type()}, no stream")
        body: BinaryIO = response
        return body

    def _part(self) -> dict[str, str]:
        """Skip to the next boundary and read the header lines after it."""
        while not (line := self._line()).startswith(b"--"):
            pass
        headers: dict[str, str] = {}
        while line := self._line().strip():
            name, _, value = line.decode("latin-1").partition(":")
            headers[name.strip().lower()] = value.strip()
            if len(headers) > HEADERS:
                raise CameraError(f"{self._url} sent a part with more than {HEADERS} headers")
        return headers

    def _line(self) -> bytes:
        line = self._body.readline(1024)
        if not line.endswith(b"\n"):
            raise CameraError(f"{self._url} ended or sent a header line without end")
        return line

    def _length(self, headers: dict[str, str]) -> int:
        length = headers.get("content-length", "")
        if not (length.isascii() and length.isdigit() and 0 < int(length) <= LARGEST):
            raise CameraError(f"{self._url} sent a part of length {length!r}; expected 1..{LARGEST} bytes")
        return int(length)


def capture_time(header: str, now: float) -> float | None:
    """The monotonic capture time [s] that a header states, if it can be one of this machine's clock."""
    try:
        stated = float(header)
    except ValueError:
        return None
    return stated if now - LONGEST_AGE <= stated <= now else None


def _connection(url: str) -> http.client.HTTPConnection:
    parts = urllib.parse.urlsplit(url)
    try:
        kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
        return kind(parts.hostname or "", parts.port, timeout=TIMEOUT)
    except ValueError as error:
        raise CameraError(f"{url!r} is no address: {error}") from None


def _reason(error: Exception) -> str:
    return str(error) or type(error).__name__
