"""Decoded frames, kept beside the recordings so that training reads pixels at the speed of memory."""

import contextlib
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import cv2
import numpy as np
from numpy.lib.format import write_array_header_1_0
from numpy.typing import NDArray

from leash_robot.robot.cameras.image import Image, Pixels
from leash_robot.robot.cameras.jpeg import jpeg_size
from leash_robot.robot.dataset.episode import Episode
from leash_robot.robot.errors import EpisodeError

LARGEST = 4096
"""Pixels a side; a frame that claims more is not decoded."""

_REDUCED = {8: cv2.IMREAD_REDUCED_COLOR_8, 4: cv2.IMREAD_REDUCED_COLOR_4, 2: cv2.IMREAD_REDUCED_COLOR_2}


@dataclass(frozen=True, slots=True)
class FrameFile:
    """Decoded frames on the disk. Reading some needs memory for those alone, and no open file is kept."""

    path: Path
    offset: int
    """Where the first frame begins [bytes]."""
    shape: tuple[int, int, int, int]
    """(F, h, w, 3)"""

    def read(self, frames: Sequence[int] | NDArray[np.int64]) -> Pixels:
        """(len(frames), h, w, 3) uint8 RGB of the frames of these numbers. Raises EpisodeError."""
        made = np.empty((len(frames), *self.shape[1:]), np.uint8)
        try:
            with self.path.open("rb", buffering=0) as file:
                for row, frame in zip(made, frames, strict=True):
                    self._fill(file, row, int(frame))
        except OSError as error:
            raise EpisodeError(f"cannot read {self.path}: {error.strerror}; start again, it is made anew") from None
        return made

    def _fill(self, file: BinaryIO, row: Pixels, frame: int) -> None:
        if not 0 <= frame < self.shape[0]:
            raise IndexError(f"frame {frame} of {self.shape[0]}")
        if os.preadv(file.fileno(), [row.data], self.offset + frame * row.nbytes) < row.nbytes:
            raise EpisodeError(f"{self.path} was cut while it was read; start again, it is made anew")


class ImageCache:
    """Frames of a folder's episodes at one size, decoded once; later uses map the file and touch only what is read."""

    def __init__(self, folder: Path | str, size: tuple[int, int]) -> None:
        """`size` is (height, width) in pixels; files go to `<folder>/cache/`."""
        self._folder = Path(folder) / "cache"
        self._size = size

    def images(self, episode: Episode, camera: str) -> Pixels:
        """(F, h, w, 3) uint8 RGB, read-only and memory-mapped; `episode.image_index(camera)` says which tick saw which.

        Raises EpisodeError when a frame cannot be decoded.
        """
        shape = (len(episode.image_times(camera)), *self._size, 3)
        path = self._path(episode, camera)
        cached = _load(path, shape)
        if cached is None:
            self._decode(episode, camera, path, shape)
            cached = np.load(path, mmap_mode="r", allow_pickle=False)
        return cached

    def stored(self, episode: Episode, camera: str) -> FrameFile:
        """The same frames, to be read a few at a time in as little memory. Raises EpisodeError."""
        pixels = self.images(episode, camera)
        count, height, width, colours = pixels.shape
        offset = int(getattr(pixels, "offset", 0))
        return FrameFile(self._path(episode, camera), offset, (count, height, width, colours))

    def _path(self, episode: Episode, camera: str) -> Path:
        """Note: named by the camera's number, since a foreign file could call it "../../something"."""
        height, width = self._size
        return self._folder / f"{episode.digest}-{episode.start.cameras.index(camera)}-{height}x{width}.npy"

    def _decode(self, episode: Episode, camera: str, path: Path, shape: tuple[int, ...]) -> None:
        """Decode one frame after another into a file that appears once it is whole and on the disk."""
        part = path.with_suffix(f".{os.getpid()}.part")
        try:
            self._folder.mkdir(exist_ok=True)
            with part.open("wb") as file:
                write_array_header_1_0(file, {"descr": "|u1", "fortran_order": False, "shape": shape})
                for index, image in enumerate(episode.frames(camera)):
                    file.write(self._decoded(image, f"{episode.path}, {camera} frame {index}").tobytes())
                file.flush()
                os.fsync(file.fileno())
            part.rename(path)
        except OSError as error:
            raise EpisodeError(
                f"cannot keep decoded frames in {self._folder}: {error.strerror}; make it writable, make room there, or"
                " copy the recordings"
            ) from None
        finally:
            with contextlib.suppress(OSError):
                part.unlink(missing_ok=True)

    def _decoded(self, image: Image, called: str) -> Pixels:
        try:
            return decode(image.jpeg, self._size)
        except EpisodeError as error:
            raise EpisodeError(f"{called}: {error}; discard the episode") from None


def decode(jpeg: bytes, size: tuple[int, int]) -> Pixels:
    """(h, w, 3) uint8 RGB of the size asked for. Raises EpisodeError when the JPEG is damaged or absurdly large.

    Far larger frames are shrunk while decoding, which costs a fraction of decoding them whole.
    """
    whole = jpeg_size(jpeg)
    if whole is None:
        raise EpisodeError("no whole JPEG")
    if max(whole) > LARGEST:
        raise EpisodeError(f"a frame of {whole[1]}x{whole[0]} pixels; at most {LARGEST} a side are decoded")
    factor = min(whole[0] // size[0], whole[1] // size[1])
    flag = next((flag for least, flag in _REDUCED.items() if factor >= least), cv2.IMREAD_COLOR)
    bgr = cv2.imdecode(np.frombuffer(jpeg, np.uint8), flag)
    if bgr is None:
        raise EpisodeError("a JPEG that cannot be decoded")
    small = cv2.resize(bgr, size[::-1], interpolation=cv2.INTER_AREA)
    return small[..., ::-1].astype(np.uint8, copy=False)


def _load(path: Path, shape: tuple[int, ...]) -> Pixels | None:
    """A cached array, or None when there is none like that."""
    try:
        pixels: Pixels = np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError, EOFError):
        return None
    return pixels if pixels.shape == shape and pixels.dtype == np.uint8 else None
