"""Pictures of many recordings that stay on the disk until a few of them are needed."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from leash_robot.robot.cameras.image import Pixels
from leash_robot.robot.dataset.frame_cache import FrameFile

Rows = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Pictures:
    """Fits what is indexed by row numbers, as an array (N, h, w, 3) would be; indexing reads those rows only."""

    files: Sequence[FrameFile]
    file: Rows
    """(N,) in which file a picture lies."""
    frame: Rows
    """(N,) which of that file's frames it is."""

    def __len__(self) -> int:
        return len(self.frame)

    def __getitem__(self, rows: Rows | slice | int) -> Pixels:
        """The pictures (b, h, w, 3) of these rows, or (h, w, 3) of a single one. Raises EpisodeError."""
        if isinstance(rows, int | np.integer):
            alone: Pixels = self[np.array([rows])][0]
            return alone
        files, frames = self.file[rows], self.frame[rows]
        made = np.empty((len(frames), *self.files[0].shape[1:]), np.uint8)
        for number in np.unique(files):
            here = files == number
            made[here] = self.files[number].read(frames[here])
        return made

    def __iter__(self) -> Iterator[Pixels]:
        return (self[row] for row in range(len(self)))

    def of(self, kept: NDArray[np.bool_] | Rows) -> "Pictures":
        """Those that are kept, still on the disk."""
        return Pictures(self.files, self.file[kept], self.frame[kept])


def joined(parts: Sequence[Pictures]) -> Pictures:
    """All pictures of several episodes."""
    files = [file for part in parts for file in part.files]
    first = np.cumsum([0, *(len(part.files) for part in parts)])
    numbers = [part.file + start for part, start in zip(parts, first[:-1], strict=True)]
    return Pictures(files, np.concatenate(numbers), np.concatenate([part.frame for part in parts]))
