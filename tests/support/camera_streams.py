"""Cameras for tests: pictures, streams over HTTP, and captures without a device."""

import contextlib
import http.server
import threading
import time
from collections.abc import Callable, Iterator, Sequence

import cv2
import numpy as np

from leash_robot.robot.cameras.camera import CameraProcess, CameraState
from leash_robot.robot.cameras.image import Image
from leash_robot.robot.spec import CameraSpec

SPEC = CameraSpec(160, 120, 50)


def picture(width: int = 160, height: int = 120, shade: int = 90) -> Image:
    return Image(1.0, rgb=np.full((height, width, 3), shade, np.uint8))


Reply = Callable[[http.server.BaseHTTPRequestHandler], None]


@contextlib.contextmanager
def server(reply: Reply) -> Iterator[str]:
    """An HTTP server on loopback that answers every GET with `reply`; yields its URL."""

    class Answer(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            with contextlib.suppress(ConnectionError):
                reply(self)

        def log_message(self, format: str, *args: object) -> None:
            return None

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Answer) as listening:
        thread = threading.Thread(target=listening.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield f"http://127.0.0.1:{listening.server_address[1]}/stream?a=1"
        finally:
            listening.shutdown()
            thread.join()


def stream(*parts: bytes, kind: str = "multipart/x-mixed-replace; boundary=frame", status: int = 200) -> Reply:
    def reply(request: http.server.BaseHTTPRequestHandler) -> None:
        assert request.path == "/stream?a=1"
        request.send_response(status)
        request.send_header("Content-Type", kind)
        request.end_headers()
        for part in parts:
            request.wfile.write(part)

    return reply


def part(jpeg: bytes, *headers: str, length: object = None) -> bytes:
    lines = ["--frame", "Content-Type: image/jpeg", f"Content-Length: {len(jpeg) if length is None else length}"]
    return "\r\n".join([*lines, *headers, "", ""]).encode() + jpeg + b"\r\n"


class FakeCapture:
    """Stands in for cv2.VideoCapture where there is no device: hands out what it was given."""

    def __init__(self, frames: Sequence[cv2.typing.MatLike], msec: float = 0.0, *, agrees: bool = True) -> None:
        self._frames = list(frames)
        self._agrees = agrees
        self.settings: dict[int, float] = {cv2.CAP_PROP_POS_MSEC: msec}
        self.released = False

    def isOpened(self) -> bool:
        return bool(self._frames)

    def read(self) -> tuple[bool, cv2.typing.MatLike]:
        return (True, self._frames.pop(0)) if self._frames else (False, np.zeros(0))

    def get(self, propId: int) -> float:
        return self.settings.get(propId, 0.0)

    def set(self, propId: int, value: float) -> bool:
        if self._agrees:
            self.settings[propId] = value
        return self._agrees

    def release(self) -> None:
        self.released = True


def until(camera: CameraProcess, *states: CameraState) -> None:
    """Watch the camera until it is in one of the states."""
    deadline = time.monotonic() + 20
    while camera.status.state not in states:
        assert time.monotonic() < deadline, camera.status
        time.sleep(0.002)
