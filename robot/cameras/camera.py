"""Cameras as the loop sees them: the newest frame, at once, from a process of its own."""

import os
import subprocess
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal, Protocol, Self

from leash_robot.robot.cameras.address import shown
from leash_robot.robot.cameras.image import Image
from leash_robot.robot.cameras.shared_frame import FrameMemory, SharedFrameState, Stored
from leash_robot.robot.cameras.sources import check_source
from leash_robot.robot.cameras.synthetic import read_burned
from leash_robot.robot.cameras.worker import Job, command
from leash_robot.robot.errors import CameraError
from leash_robot.robot.spec import CameraSpec

__all__ = ["Camera", "CameraProcess", "CameraState", "CameraStatus", "open_camera", "read_burned"]

CameraState = Literal["opening", "live", "stale", "frozen", "lost"]

STALE = 0.2
"""A frame older than this, or than two and a half frames of a slow camera, is stale [s]."""

PATIENCE = 5.0
"""How long a camera may take for its first frame [s]."""

RESPAWN = 1.0
"""A camera process that died is started again, but not more often than this [s]."""

# OpenCV waits ten seconds for a frame and chats about every device it cannot open, unless told otherwise.
ENVIRONMENT = {"OPENCV_VIDEOIO_V4L_SELECT_TIMEOUT": "1", "OPENCV_LOG_LEVEL": "SILENT", "OPENCV_FFMPEG_LOGLEVEL": "-8"}


NAMES: Mapping[SharedFrameState, CameraState] = {
    SharedFrameState.OPENING: "opening",
    SharedFrameState.LIVE: "live",
    SharedFrameState.FROZEN: "frozen",
    SharedFrameState.LOST: "lost",
}


@dataclass(frozen=True, slots=True)
class CameraStatus:
    """How a camera is, for people and for the decision whether to trust it."""

    state: CameraState
    """`stale`: frames come too late. `frozen`: they come, always the same. `lost`: unplugged, being opened again."""
    age: float
    """Time since the newest frame was captured [s]; infinity before the first."""
    frames: int
    """How many were delivered."""
    dropped: int = 0
    """How many were damaged on the way."""
    message: str = ""
    """Why it is lost; or what is done to its pictures, when they have another size than the spec says."""


class Camera(Protocol):
    """Delivers frames between `__enter__` and `__exit__`."""

    def __enter__(self) -> Self: ...

    def __exit__(self, *exc: object) -> None: ...

    def latest(self) -> Image | None:
        """The newest frame, however old: look at its time, or at `status`. Takes microseconds."""
        ...

    @property
    def status(self) -> CameraStatus:
        """How the camera is now."""
        ...


def open_camera(source: str, spec: CameraSpec, *, nice: int = 0) -> "CameraProcess":
    """A camera to be entered: /dev/video0 or 0, a video file, http://..., rtsp://..., `synthetic[:640x480@30]`.

    Raises CameraError when there is no such device or file; entering it does when it does not deliver.
    """
    check_source(source, spec)
    return CameraProcess(source, spec, nice=nice)


class CameraProcess:
    """Fits `Camera`: a child process fills shared memory, and dies when we do."""

    def __init__(self, source: str, spec: CameraSpec, *, nice: int = 0) -> None:
        self._source = source
        self._spec = spec
        self._nice = nice
        self._stored: Stored | None = None
        self._image: Image | None = None

    def __enter__(self) -> Self:
        self._fd = FrameMemory.create(max(1 << 20, 3 * self._spec.width * self._spec.height))
        self._memory = FrameMemory(self._fd)
        self._spawn()
        try:
            self._wait_for_first()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *exc: object) -> None:
        self._end()
        self._memory.close()
        os.close(self._fd)

    @property
    def pid(self) -> int:
        """The camera process."""
        return self._process.pid

    def latest(self) -> Image | None:
        """The newest frame; None before the first. Starts the process again if it died, which takes milliseconds."""
        if self._process.poll() is not None and time.monotonic() - self._spawned > RESPAWN:
            self._restart()
        stored = self._memory.newer(self._stored)
        if stored is not None and stored is not self._stored:
            self._stored, self._image = stored, Image(stored.time, jpeg=stored.jpeg)
        return self._image

    @property
    def status(self) -> CameraStatus:
        """How the camera is, by its process's word and by the age of the newest frame."""
        image, condition = self.latest(), self._memory.condition
        age = float("inf") if image is None else time.monotonic() - image.time
        state, message = self._judged(condition.state, age), condition.message
        if self._process.poll() is not None:
            state, message = "lost", f"the process of {shown(self._source)} ended with {self._process.returncode}"
        return CameraStatus(state, age, self._memory.count, condition.dropped, message)

    def _judged(self, state: SharedFrameState, age: float) -> CameraState:
        late = age > max(STALE, 2.5 / self._spec.rate)
        return "stale" if state is SharedFrameState.LIVE and late else NAMES[state]

    def _spawn(self) -> None:
        """Start the process in a group of its own, so that Ctrl-C reaches only us; the end of its stdin ends it."""
        self._spawned = time.monotonic()
        stdin, self._lifeline = os.pipe()
        self._process = subprocess.Popen(
            [*_niced(self._nice), *command(Job(self._fd, self._source, self._spec))],
            stdin=stdin,
            pass_fds=[self._fd],
            start_new_session=True,
            env={**os.environ, **ENVIRONMENT},
        )
        os.close(stdin)

    def _restart(self) -> None:
        self._end()
        died = f"the process of {shown(self._source)} ended with {self._process.returncode}; started again"
        self._memory.describe(replace(self._memory.condition, state=SharedFrameState.LOST, message=died))
        self._spawn()

    def _end(self) -> None:
        os.close(self._lifeline)
        try:
            self._process.wait(timeout=0.5)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def _wait_for_first(self) -> None:
        while self.latest() is None:
            status = self.status
            if status.state == "lost":
                raise CameraError(status.message)
            if time.monotonic() - self._spawned > PATIENCE:
                raise CameraError(f"the camera {shown(self._source)} delivered no frame in {PATIENCE:.0f} s")
            time.sleep(0.005)


def _niced(nice: int) -> list[str]:
    return ["nice", "-n", str(nice)] if nice > 0 else []
