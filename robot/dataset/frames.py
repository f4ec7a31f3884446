"""Camera frames in an episode file: where they lie, and the images themselves."""

import struct
from collections.abc import Iterator
from dataclasses import dataclass

from leash_robot.robot.cameras.image import Image
from leash_robot.robot.dataset.mcap.records import Data
from leash_robot.robot.dataset.mcap.ros_messages import jpeg_offset
from leash_robot.robot.dataset.mcap.scan import FIRST_CAMERA, Scan, messages
from leash_robot.robot.dataset.metadata import NANO, EpisodeStart
from leash_robot.robot.errors import EpisodeError


@dataclass(frozen=True, slots=True)
class StoredFrame:
    """One frame: which camera, when it was taken (wall-clock ns), and the bytes [start, stop) of its JPEG."""

    camera: int
    taken: int
    start: int
    stop: int


def list_frames(data: Data, found: Scan) -> Iterator[StoredFrame]:
    """Every frame in the file, in the order of writing. Raises EpisodeError where a chunk is damaged."""
    skips = [jpeg_offset(name) for name in found.start.cameras]
    for block in found.views:
        for message, payload in messages(data, block):
            camera = message.channel - FIRST_CAMERA
            if camera >= 0:
                if camera >= len(skips) or not _fits(message.data, skips[camera]):
                    raise EpisodeError(f"damaged at byte {payload}: not a frame")
                start, stop = payload + skips[camera], payload + len(message.data)
                yield StoredFrame(camera, message.publish, start, stop)


def load_frame(data: Data, frame: StoredFrame, start: EpisodeStart) -> Image:
    """The image, as JPEG until somebody wants pixels; its time is monotonic like that of the ticks."""
    return Image((frame.taken - start.clock_offset) / NANO, jpeg=bytes(data[frame.start : frame.stop]))


def _fits(payload: Data, skip: int) -> bool:
    """Whether a CompressedImage holds as many bytes as it says."""
    return len(payload) >= skip and struct.unpack_from("<I", payload, skip - 4)[0] == len(payload) - skip
