"""Writes frames to an MP4 file that browsers play."""

from collections.abc import Iterable
from fractions import Fraction
from pathlib import Path

import av
import numpy as np

from leash_robot.robot.cameras.image import Pixels


def write_video(path: Path, frames: Iterable[Pixels], rate: float) -> int:
    """Encode uint8 (h, w, 3) RGB frames, with even h and w, as H.264; return how many there were."""
    count = 0
    with av.open(str(path), "w", options={"movflags": "faststart"}) as file:
        stream = file.add_stream("libx264", rate=Fraction(rate).limit_denominator(1000))
        stream.pix_fmt = "yuv420p"
        stream.options = {"crf": "23", "preset": "veryfast", "threads": "1"}
        for pixels in frames:
            if count == 0:
                stream.height, stream.width = pixels.shape[:2]
            for packet in stream.encode(av.VideoFrame.from_ndarray(pixels, format="rgb24")):
                file.mux(packet)
            count += 1
        for packet in stream.encode():
            file.mux(packet)
    return count


def side_by_side(*films: Iterable[Pixels]) -> Iterable[Pixels]:
    """Frames of the same size next to each other; ends with the shortest film."""
    for frames in zip(*films, strict=False):
        yield np.concatenate(frames, axis=1)
