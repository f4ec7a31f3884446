"""The process of one camera: opens it, keeps the newest JPEG in shared memory, and opens it again when it is lost."""

import threading
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import BinaryIO

import cv2
import msgspec

from leash_robot.robot.cameras.image import Image
from leash_robot.robot.cameras.jpeg import jpeg_size
from leash_robot.robot.cameras.shared_frame import Condition, FrameMemory, SharedFrameState
from leash_robot.robot.cameras.sources import Frames, open_source
from leash_robot.robot.errors import CameraError
from leash_robot.robot.host.child import python_command
from leash_robot.robot.spec import CameraSpec

RETRY = 0.5
"""A lost camera is tried again this often [s]."""

FROZEN_FRAMES = 5
"""So many frames with the same bytes are a frozen camera."""


class Job(msgspec.Struct, frozen=True):
    """What the process is started with, as JSON on its command line."""

    fd: int
    source: str
    spec: CameraSpec


def main(args: list[str], stdin: BinaryIO) -> int:
    """Serve the camera until `stdin` ends, which it does when the parent closes it or dies in any way."""
    job = msgspec.json.decode(args[0], type=Job)
    cv2.setNumThreads(1)
    stop = threading.Event()
    threading.Thread(target=_wait_for_end, args=(stdin, stop), daemon=True).start()
    memory = FrameMemory(job.fd)
    serve(lambda: open_source(job.source, job.spec), job.spec, memory, stop)
    memory.close()
    return 0


def command(job: Job) -> list[str]:
    """The command line that runs `main`."""
    program = "from leash_robot.robot.cameras.worker import main; sys.exit(main(sys.argv[1:], sys.stdin.buffer))"
    return [*python_command(program), msgspec.json.encode(job).decode()]


def serve(opener: Callable[[], Frames], spec: CameraSpec, memory: FrameMemory, stop: threading.Event) -> None:
    """Open and deliver, again and again, until `stop` is set; losses are told in the memory's condition."""
    while not stop.is_set():
        try:
            _deliver(opener(), spec, memory, stop)
        except CameraError as error:
            memory.describe(replace(memory.condition, state=SharedFrameState.LOST, message=str(error)))
            stop.wait(RETRY)


def _deliver(frames: Frames, spec: CameraSpec, memory: FrameMemory, stop: threading.Event) -> None:
    watch = _Watch(memory.condition.dropped)
    try:
        while not stop.is_set():
            if (image := frames.read()) is not None:
                jpeg = fitted(image, spec)
                when = watch.captured(image.time, jpeg, stamped=frames.stamped)
                note = adapted(jpeg_size(image.jpeg), spec)
                watch.tell(memory, note)
                if jpeg is None or not memory.write(when, jpeg):
                    watch.dropped += 1
                    watch.tell(memory, note)
    finally:
        frames.close()


def fitted(image: Image, spec: CameraSpec) -> bytes | None:
    """The frame as a JPEG of the spec's size, untouched if it is one already; None when it is damaged.

    One of another shape loses its edges, evenly on both sides, and no circle becomes an ellipse.
    """
    size = jpeg_size(image.jpeg)
    if size == (spec.height, spec.width):
        return image.jpeg
    if size is None:
        return None
    height, width = kept(size, spec)
    top, left = (size[0] - height) // 2, (size[1] - width) // 2
    way = cv2.INTER_AREA if width >= spec.width else cv2.INTER_LINEAR
    middle = image.rgb[top : top + height, left : left + width]
    resized = cv2.resize(middle, (spec.width, spec.height), interpolation=way)
    return Image(image.time, rgb=resized.astype("uint8", copy=False)).jpeg


def kept(size: tuple[int, int], spec: CameraSpec) -> tuple[int, int]:
    """Height and width of the largest part of a picture of this size that has the spec's shape [px]."""
    height, width = size
    wide, high = round(height * spec.width / spec.height), round(width * spec.height / spec.width)
    return (height, max(1, wide)) if wide <= width else (max(1, high), width)


def adapted(size: tuple[int, int] | None, spec: CameraSpec) -> str:
    """What is done to pictures of this size, in words; empty when nothing is."""
    if size is None or size == (spec.height, spec.width):
        return ""
    height, width = kept(size, spec)
    cut = "" if (height, width) == size else f"cropped to {width}x{height} and "
    return f"its pictures of {size[1]}x{size[0]} are {cut}scaled to {spec.width}x{spec.height}"


@dataclass
class _Watch:
    """Counts damaged frames and repeated pictures, and tells the memory when something changed."""

    dropped: int
    repeats: int = 1
    last: bytes | None = None
    since: float = 0.0
    """When the last picture came for the first time [s]."""
    told: Condition | None = None

    def captured(self, time: float, jpeg: bytes | None, *, stamped: bool) -> float:
        """When a frame, None for a damaged one, was captured: a picture that repeats itself, when it came first.

        Note: a camera that stamps its own frames proves itself alive by the stamps, and a rendered still scene has
        the same bytes every time; only an unstamped camera is called frozen for repeating itself.
        """
        if jpeg is not None and jpeg == self.last and not stamped:
            self.repeats += 1
            return self.since
        if jpeg is not None:
            self.repeats, self.last, self.since = 1, jpeg, time
        return time

    def tell(self, memory: FrameMemory, note: str) -> None:
        state = SharedFrameState.FROZEN if self.repeats >= FROZEN_FRAMES else SharedFrameState.LIVE
        condition = Condition(state, note, self.dropped)
        if condition != self.told:
            memory.describe(condition)
            self.told = condition


def _wait_for_end(stdin: BinaryIO, stop: threading.Event) -> None:
    stdin.read()
    stop.set()
