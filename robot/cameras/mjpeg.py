"""Reads a motion-JPEG stream over HTTP: multipart, each part with or without its Content-Length."""

import http.client
import ssl
import time
import urllib.parse
from typing import BinaryIO, cast

from leash_robot.robot.cameras.address import authorization, shown
from leash_robot.robot.cameras.fresh_socket import FreshSocket, FreshTlsSocket
from leash_robot.robot.cameras.image import Image
from leash_robot.robot.errors import CameraError

TIMEOUT = 1.0
"""A stream that is silent for this long is lost [s]."""

LARGEST = 8 << 20
"""No frame is larger than this [bytes]."""

LINE = 1024
"""No header line is longer than this [bytes]."""

END = b"\xff\xd9"
"""Ends a JPEG."""

HEADERS = 32
"""No part has more header lines than this."""

LONGEST_AGE = 10.0
"""A capture time older than this, or from the future, comes from another machine's clock and is not believed [s]."""


class Mjpeg:
    """Fits `Frames`: the parts of one HTTP response."""

    def __init__(self, url: str) -> None:
        """Connect. Raises CameraError, also when the address answers with something else than a stream."""
        self._url = url
        self._name = shown(url)
        self.stamped = False
        """Whether the last frame came with its own capture time."""
        self._connection = _connection(url)
        try:
            self._body, self._boundary = self._opened()
        except CameraError:
            self._connection.close()
            raise
        self._line_ahead: bytes | None = None
        self._first = True

    def close(self) -> None:
        """Hang up."""
        self._body.close()
        self._connection.close()

    def read(self) -> Image:
        """The next frame, stamped by its `X-Capture-Time` or else by when it began to arrive [monotonic s].

        Raises CameraError.
        """
        try:
            headers = self._part()
            arrived = self._connection.fresh.empty_at
            jpeg = self._content(headers)
        except (OSError, http.client.HTTPException) as error:
            raise CameraError(f"{self._name} stopped: {_reason(error)}") from None
        captured = capture_time(headers.get("x-capture-time", ""), time.monotonic())
        self.stamped = captured is not None
        return Image(arrived if captured is None else captured, jpeg=jpeg)

    def _opened(self) -> tuple[BinaryIO, bytes]:
        """The body of the answer, and what stands between its parts."""
        parts = urllib.parse.urlsplit(self._url)
        target = urllib.parse.urlunsplit(("", "", parts.path or "/", parts.query, ""))
        try:
            self._connection.request("GET", target, headers=authorization(self._url))
            response = self._connection.getresponse()
        except (OSError, http.client.HTTPException) as error:
            raise CameraError(f"no camera answers at {self._name}: {_reason(error)}") from None
        if refusal := self._refusal(response):
            response.close()
            raise CameraError(refusal)
        body: BinaryIO = response
        return body, b"--" + (response.headers.get_boundary("") or "").lstrip("-").encode("latin-1", "replace")

    def _refusal(self, response: http.client.HTTPResponse) -> str:
        """Why an answer is no stream; empty when it is one."""
        if response.status == 401:
            asked = response.headers.get("WWW-Authenticate", "Basic").partition(" ")[0]
            return f"{self._name} refuses the login ({asked}); write http://NAME:PASSWORD@HOST, for Basic"
        if response.status == 200 and response.headers.get_content_maintype() == "multipart":
            return ""
        return f"{self._name} answers {response.status} {response.headers.get_content_type()}, no stream"

    def _part(self) -> dict[str, str]:
        """The header lines of the next part."""
        line = self._begin()
        headers: dict[str, str] = {}
        while line := line.strip():
            name, _, value = line.decode("latin-1").partition(":")
            headers[name.strip().lower()] = value.strip()
            if len(headers) > HEADERS:
                raise CameraError(f"{self._name} sent a part with more than {HEADERS} headers")
            line = self._line()
        return headers

    def _begin(self) -> bytes:
        """The first line after the next boundary; a stream may begin without one."""
        line = self._line_ahead or self._line()
        self._line_ahead = None
        while not line.startswith(b"--"):
            if self._first and b":" in line:
                break
            line = self._line()
        self._first = False
        return self._line() if line.startswith(b"--") else line

    def _line(self) -> bytes:
        line = self._body.readline(LINE)
        if not line.endswith(b"\n"):
            raise CameraError(f"{self._name} ended or sent a header line without end")
        return line

    def _content(self, headers: dict[str, str]) -> bytes:
        """As many bytes as the part says, or all up to the next boundary."""
        if (length := headers.get("content-length")) is None:
            return self._up_to_boundary()
        if not (length.isascii() and length.isdigit() and 0 < int(length) <= LARGEST):
            raise CameraError(f"{self._name} sent a part of length {length!r}; expected 1..{LARGEST} bytes")
        return self._body.read(int(length))

    def _up_to_boundary(self) -> bytes:
        """Note: a boundary other than the one that was announced counts behind a whole JPEG."""
        content = bytearray()
        while line := self._body.readline(LINE):
            if line.startswith(self._boundary if len(self._boundary) > 2 else b"--") or (
                line.startswith(b"--") and content.rstrip(b"\r\n").endswith(END)
            ):
                self._line_ahead = line
                return bytes(content.rstrip(b"\r\n"))
            content += line
            if len(content) > LARGEST:
                raise CameraError(f"{self._name} sent a part without length that does not end in {LARGEST} bytes")
        raise CameraError(f"{self._name} ended")


def capture_time(header: str, now: float) -> float | None:
    """The monotonic capture time [s] that a header states, if it can be one of this machine's clock."""
    try:
        stated = float(header)
    except ValueError:
        return None
    return stated if now - LONGEST_AGE <= stated <= now else None


class _Plain(http.client.HTTPConnection):
    """A connection whose socket knows how old its data can be."""

    fresh: FreshSocket

    def connect(self) -> None:
        """Note: `http.client` has no place for a socket of one's own, so this one is made of what it connected."""
        begun = time.monotonic()
        super().connect()
        self.sock = self.fresh = FreshSocket(fileno=self.sock.detach())
        self.fresh.settimeout(TIMEOUT)
        self.fresh.empty_at = begun


class _Tls(http.client.HTTPSConnection):
    """The same, encrypted."""

    fresh: FreshTlsSocket

    def connect(self) -> None:
        """Connect, with a socket of the class that the context was told."""
        begun = time.monotonic()
        super().connect()
        self.fresh = cast(FreshTlsSocket, self.sock)
        self.fresh.empty_at = begun


def _connection(url: str) -> _Plain | _Tls:
    """A connection, not yet opened. Raises CameraError."""
    parts = urllib.parse.urlsplit(url)
    try:
        if parts.scheme == "http":
            return _Plain(parts.hostname or "", parts.port, timeout=TIMEOUT)
        context = ssl.create_default_context()
        context.sslsocket_class = FreshTlsSocket
        return _Tls(parts.hostname or "", parts.port, timeout=TIMEOUT, context=context)
    except ValueError as error:
        raise CameraError(f"{shown(url)!r} is no address: {error}") from None


def _reason(error: Exception) -> str:
    return str(error) or type(error).__name__
