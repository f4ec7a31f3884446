"""What a camera can be: a V4L2 device, a video file, a stream by URL, or synthetic; and how each is opened."""

import time
from pathlib import Path
from typing import Protocol

import cv2
import numpy as np

from leash_robot.robot.cameras.address import shown
from leash_robot.robot.cameras.image import Image
from leash_robot.robot.cameras.mjpeg import LONGEST_AGE, Mjpeg
from leash_robot.robot.cameras.synthetic import Synthetic, parse_synthetic
from leash_robot.robot.clock import Clock, Grid, MonotonicClock
from leash_robot.robot.errors import CameraError
from leash_robot.robot.spec import CameraSpec

PAUSE = 0.3
"""A stream without time stamps that delivers nothing for longer is opened anew [s]."""

MJPG = cv2.VideoWriter.fourcc(*"MJPG")


class Frames(Protocol):
    """An opened camera; `read` waits for the next frame."""

    stamped: bool
    """Whether frames carry the camera's own capture time, so that standing still can be told from being frozen."""

    def read(self) -> Image | None:
        """The next frame, or None when none came in its time. Raises CameraError when the camera is gone."""
        ...

    def close(self) -> None:
        """Let go of the camera."""
        ...


class Capture(Protocol):
    """The part of cv2.VideoCapture that is used."""

    def isOpened(self) -> bool:
        """Whether there is something to read from."""
        ...

    def read(self) -> tuple[bool, cv2.typing.MatLike]:
        """Whether a frame came, and the frame."""
        ...

    def get(self, propId: int) -> float:
        """A property."""
        ...

    def set(self, propId: int, value: float) -> bool:
        """Set a property; whether that was accepted."""
        ...

    def release(self) -> None:
        """Close."""
        ...


def check_source(source: str, spec: CameraSpec) -> None:
    """Raise CameraError for a source that cannot be meant: no such device or file, or a misspelt synthetic one."""
    if source.startswith("synthetic"):
        parse_synthetic(source, spec)
    elif "://" not in source and not Path(device_path(source)).exists():
        found = sorted(str(path) for path in Path("/dev").glob("video*"))
        raise CameraError(
            f"no camera or video at {source!r}; devices here: {', '.join(found) or 'none'}; "
            "give one of them, a video file, a URL, or `synthetic`"
        )


def open_source(source: str, spec: CameraSpec) -> Frames:
    """Open a camera. Raises CameraError."""
    check_source(source, spec)
    if source.startswith("synthetic"):
        return Synthetic(*parse_synthetic(source, spec))
    if source.startswith(("http://", "https://")):
        return Mjpeg(source)
    if "://" in source:
        return Stream(cv2.VideoCapture(source, cv2.CAP_FFMPEG), shown(source), spec.rate)
    path = device_path(source)
    if path.startswith("/dev/"):
        return CameraDevice(_v4l2(path, spec), path)
    return Film(path, spec)


def device_path(source: str) -> str:
    """`0` is /dev/video0; everything else is itself."""
    return f"/dev/video{source}" if source.isdecimal() else source


class CameraDevice:
    """Fits `Frames`: a V4L2 device, whose driver stamps each frame."""

    stamped = False

    def __init__(self, capture: Capture, name: str) -> None:
        """Take an opened capture. Raises CameraError when it did not open."""
        if not capture.isOpened():
            raise CameraError(f"cannot open the camera {name}; is it plugged in, and free, and may you read it?")
        self._capture = capture
        self._name = name

    def read(self) -> Image:
        """The next frame. Raises CameraError when the device is gone."""
        arrived, frame = self._capture.read()
        if not arrived:
            raise CameraError(f"the camera {self._name} stopped delivering")
        captured = self._capture.get(cv2.CAP_PROP_POS_MSEC) / 1e3
        now = time.monotonic()
        return _image(captured if now - LONGEST_AGE <= captured <= now else now, frame)

    def close(self) -> None:
        """Release the device."""
        self._capture.release()


class Stream:
    """Fits `Frames`: another address that OpenCV understands, such as rtsp://, whose frames say nothing of their age.

    What arrives after a pause may have lain in a buffer for as long as that, so the stream is then opened anew.
    """

    stamped = False

    def __init__(self, capture: Capture, name: str, rate: float, clock: Clock | None = None) -> None:
        """Take an opened capture of about `rate` frames a second. Raises CameraError when it did not open."""
        if not capture.isOpened():
            raise CameraError(f"cannot open the camera {name}; is the address right, and the camera on?")
        self._capture, self._name, self._clock = capture, name, clock or MonotonicClock()
        self._longest = max(PAUSE, 2.5 / rate)
        self._last: float | None = None

    def read(self) -> Image:
        """The next frame, captured now. Raises CameraError when the stream ended, or stood still for too long."""
        arrived, frame = self._capture.read()
        now = self._clock.now()
        if not arrived:
            raise CameraError(f"the camera {self._name} stopped delivering")
        if self._last is not None and now - self._last > self._longest:
            raise CameraError(f"the camera {self._name} paused for {now - self._last:.1f} s; it is opened anew")
        self._last = now
        return _image(now, frame)

    def close(self) -> None:
        """Hang up."""
        self._capture.release()


class Film:
    """Fits `Frames`: a video file, played at its own rate, over and over."""

    stamped = False

    def __init__(self, path: str, spec: CameraSpec, clock: Clock | None = None) -> None:
        """Open the file. Raises CameraError when it is no video."""
        self._path = path
        self._capture = cv2.VideoCapture(path)
        rate = self._capture.get(cv2.CAP_PROP_FPS)
        self._grid = Grid(1 / (rate if 0 < rate < 1000 else spec.rate), clock or MonotonicClock())

    def read(self) -> Image:
        """The next frame of the film, captured now. Raises CameraError when not one can be read."""
        arrived, frame = self._capture.read()
        if not arrived:
            self._capture.set(cv2.CAP_PROP_POS_FRAMES, 0)
            arrived, frame = self._capture.read()
        if not arrived:
            raise CameraError(f"{self._path} is no video that can be played")
        self._grid.wait()
        return _image(self._grid.clock.now(), frame)

    def close(self) -> None:
        """Close the file."""
        self._capture.release()


def _v4l2(path: str, spec: CameraSpec) -> cv2.VideoCapture:
    """Ask a device for motion JPEG of the spec's size and, if it agrees, for the bytes as they are."""
    capture = cv2.VideoCapture(path, cv2.CAP_V4L2)
    configure(capture, spec)
    return capture


def configure(capture: Capture, spec: CameraSpec) -> None:
    """Set format, size, rate, and the shortest queue. Note: format first, since it decides which sizes there are."""
    capture.set(cv2.CAP_PROP_FOURCC, MJPG)
    capture.set(cv2.CAP_PROP_FRAME_WIDTH, spec.width)
    capture.set(cv2.CAP_PROP_FRAME_HEIGHT, spec.height)
    capture.set(cv2.CAP_PROP_FPS, spec.rate)
    capture.set(cv2.CAP_PROP_BUFFERSIZE, 2)
    if int(capture.get(cv2.CAP_PROP_FOURCC)) == MJPG:
        capture.set(cv2.CAP_PROP_CONVERT_RGB, 0)


def _image(captured: float, frame: cv2.typing.MatLike) -> Image:
    """OpenCV hands out (h, w, 3) BGR, or JPEG bytes as one row."""
    if frame.ndim == 3 and frame.shape[2] == 3:
        return Image(captured, rgb=frame[..., ::-1].astype(np.uint8, copy=False))
    return Image(captured, jpeg=frame.tobytes())
