"""Serves frames on loopback as motion JPEG over HTTP, each part with its capture time; any number of clients."""

import threading
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

BOUNDARY = "frame"
PATIENCE = 5.0
"""A client that takes no bytes for this long is given up [s]."""


@dataclass(frozen=True)
class StreamedFrame:
    """One JPEG."""

    number: int
    captured: float
    """Monotonic time of capture [s]."""
    jpeg: bytes


class MjpegStream:
    """The newest frame, and whether anybody wants the next one. A slow client misses frames, it never delays them."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._frame = StreamedFrame(0, 0.0, b"")
        self._clients = 0
        self._closed = False
        self._server = _Server(("127.0.0.1", 0), _Client)
        self._server.stream = self
        threading.Thread(target=self._server.serve_forever, daemon=True, name="stream").start()

    @property
    def url(self) -> str:
        """Where the stream is; ends such that OpenCV takes it for one."""
        return f"http://127.0.0.1:{self._server.server_address[1]}/head.mjpg"

    def close(self) -> None:
        """Hang up on everybody."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        self._server.shutdown()
        self._server.server_close()

    def put(self, captured: float, jpeg: bytes) -> None:
        """Publish a frame."""
        with self._changed:
            self._frame = StreamedFrame(self._frame.number + 1, captured, jpeg)
            self._changed.notify_all()

    def wanted(self, timeout: float) -> bool:
        """Wait until there is a client, at most `timeout` [s]; whether there is one."""
        with self._changed:
            return self._changed.wait_for(lambda: self._clients > 0, timeout)

    def after(self, number: int) -> StreamedFrame | None:
        """Wait for a frame newer than the one of this number; None when the stream is closed."""
        with self._changed:
            self._changed.wait_for(lambda: self._frame.number > number or self._closed)
            return None if self._closed else self._frame

    def join(self, change: int) -> int:
        """Count a client in (1) or out (-1); returns the number of the newest frame, which may be old by now."""
        with self._changed:
            self._clients += change
            self._changed.notify_all()
            return self._frame.number


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    stream: MjpegStream


class _Client(BaseHTTPRequestHandler):
    timeout = PATIENCE
    server: _Server

    def do_GET(self) -> None:
        """Send frames until the client hangs up."""
        if self.path != "/head.mjpg":
            self.send_error(404, "the stream is at /head.mjpg")
            return
        stream = self.server.stream
        number = stream.join(1)
        try:
            self._greet()
            while (frame := stream.after(number)) is not None:
                number = frame.number
                self.wfile.write(_part(frame))
        except OSError:
            self.close_connection = True
        finally:
            stream.join(-1)

    def _greet(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", f"multipart/x-mixed-replace; boundary={BOUNDARY}")
        self.send_header("Cache-Control", "no-store")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Say nothing: a client is no news."""


def _part(frame: StreamedFrame) -> bytes:
    head = (
        f"--{BOUNDARY}\r\nContent-Type: image/jpeg\r\nContent-Length: {len(frame.jpeg)}\r\n"
        f"X-Capture-Time: {frame.captured:.6f}\r\n\r\n"
    )
    return head.encode() + frame.jpeg + b"\r\n"
