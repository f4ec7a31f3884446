"""Decoded frames, kept beside the recordings so that training reads pixels at the speed of memory."""

import os
from pathlib import Path

import cv2
import numpy as np
from numpy.lib.format import open_memmap

from robot.episode import Episode
from robot.errors import EpisodeError
from robot.image import Pixels
from robot.jpeg import jpeg_size

LARGEST = 4096
"""Pixels a side; a frame that claims more is not decoded."""

_REDUCED = {8: cv2.IMREAD_REDUCED_COLOR_8, 4: cv2.IMREAD_REDUCED_COLOR_4, 2: cv2.IMREAD_REDUCED_COLOR_2}


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

    def _path(self, episode: Episode, camera: str) -> Path:
        """Note: named by the camera's number, since a foreign file could call it "../../something"."""
        height, width = self._size
        return self._folder / f"{episode.digest}-{episode.start.cameras.index(camera)}-{height}x{width}.npy"

    def _decode(self, episode: Episode, camera: str, path: Path, shape: tuple[int, ...]) -> None:
        self._folder.mkdir(exist_ok=True)
        part = path.with_suffix(f".{os.getpid()}.part")
        pixels = open_memmap(part, mode="w+", dtype=np.uint8, shape=shape)
        try:
            for index, image in enumerate(episode.frames(camera)):
                pixels[index] = decode(image.jpeg, self._size)
        except EpisodeError as error:
            part.unlink()
            raise EpisodeError(f"{episode.path}, {camera} frame {index}: {error}; discard the episode") from None
        pixels.flush()
        part.rename(path)


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
    except (FileNotFoundError, ValueError, EOFError):
        return None
    return pixels if pixels.shape == shape and pixels.dtype == np.uint8 else None
