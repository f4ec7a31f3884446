"""Pictures to calibrate a camera by: from a camera, from a folder, or drawn by the simulator."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np

from leash_robot.robot.cameras.image import Image, Pixels
from leash_robot.robot.cameras.sources import Frames, open_source
from leash_robot.robot.errors import CameraError
from leash_robot.robot.spec import CameraSpec

KINDS = {".png", ".jpg", ".jpeg", ".bmp"}

Frame = tuple[str, Pixels]
"""What it is called, and (h, w, 3) RGB."""


@contextlib.contextmanager
def frames(source: str, spec: CameraSpec) -> Iterator[Iterator[Frame]]:
    """Pictures from a camera, endless, or from a folder. Raises CameraError when there are none."""
    folder = Path(source)
    if folder.is_dir():
        yield from_folder(folder)
        return
    opened = open_source(source, spec)
    try:
        yield from_camera(opened)
    finally:
        opened.close()


def from_folder(folder: Path) -> Iterator[Frame]:
    """Every picture of a folder, in the order of their names. Raises CameraError."""
    files = sorted(path for path in folder.iterdir() if path.suffix.lower() in KINDS)
    if not files:
        raise CameraError(f"no pictures in {folder}; it needs files that end in {', '.join(sorted(KINDS))}")
    for path in files:
        bgr = cv2.imread(str(path), cv2.IMREAD_COLOR)
        if bgr is None:
            raise CameraError(f"{path} is no picture that can be read; remove it from {folder}")
        yield path.name, np.ascontiguousarray(bgr[..., ::-1]).astype(np.uint8, copy=False)


def from_camera(opened: Frames) -> Iterator[Frame]:
    """Frames as they come; damaged ones are left out."""
    number = 0
    while True:
        image = opened.read()
        if image is not None and (pixels := _pixels(image)) is not None:
            yield f"frame {number}", pixels
            number += 1


def _pixels(image: Image) -> Pixels | None:
    try:
        return image.rgb
    except CameraError:
        return None
