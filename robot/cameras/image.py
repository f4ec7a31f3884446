"""One camera frame with its capture time, held as JPEG or pixels and converted only when somebody asks."""

from functools import cached_property
from typing import Protocol, Self

import cv2
import numpy as np
from numpy.typing import NDArray

from leash_robot.robot.errors import CameraError

Pixels = NDArray[np.uint8]

JPEG_QUALITY = 80


class Image:
    """A frame: uint8 (h, w, 3) RGB pixels and the monotonic time of capture [s].

    Cameras, recordings and the wire carry JPEG; simulators and networks want pixels. Whichever form was given is
    kept and the other is made on first use, so that a tick never encodes or decodes a frame nobody looks at.
    """

    def __init__(self, time: float, *, rgb: Pixels | None = None, jpeg: bytes | None = None) -> None:
        if (rgb is None) == (jpeg is None):
            raise CameraError("an image is made from either rgb or jpeg, not both or neither")
        self.time = time
        if rgb is not None:
            self.rgb = rgb
        if jpeg is not None:
            self.jpeg = jpeg

    @cached_property
    def rgb(self) -> Pixels:
        """(h, w, 3) uint8 RGB. Raises CameraError when the JPEG is damaged."""
        bgr = cv2.imdecode(np.frombuffer(self.jpeg, np.uint8), cv2.IMREAD_COLOR) if self.jpeg else None
        if bgr is None:
            raise CameraError(f"a frame of {len(self.jpeg)} bytes is no readable JPEG")
        return np.ascontiguousarray(bgr[..., ::-1]).astype(np.uint8, copy=False)

    @cached_property
    def jpeg(self) -> bytes:
        """The frame as JPEG, quality 80."""
        _, data = cv2.imencode(".jpg", self.rgb[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])
        return data.tobytes()

    @classmethod
    def blank(cls, time: float, height: int, width: int) -> Self:
        """A black frame, for tests and placeholders."""
        return cls(time, rgb=np.zeros((height, width, 3), np.uint8))


class Eye(Protocol):
    """The part of a camera that the driver needs; whoever opened it closes it."""

    def latest(self) -> Image | None:
        """The newest frame, at once; None before the first."""
        ...
