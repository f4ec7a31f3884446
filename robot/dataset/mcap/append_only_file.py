"""A file that only grows, and takes its final name when it is complete."""

import contextlib
import os
from pathlib import Path


class AppendFile:
    """Bytes handed to it are with the kernel, not in a buffer of this process, when `append` returns."""

    def __init__(self, path: Path, *, fresh: bool) -> None:
        self.path = path
        self._descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC | (os.O_CREAT | os.O_EXCL if fresh else 0), 0o644)
        self.size = os.fstat(self._descriptor).st_size

    def append(self, data: bytes) -> None:
        """Write all of it, or raise OSError and leave the file as it was."""
        left = memoryview(data)
        try:
            while left:
                left = left[os.pwrite(self._descriptor, left, self.size + len(data) - len(left)) :]
        except OSError:
            self.cut(self.size)
            raise
        self.size += len(data)

    def cut(self, size: int) -> None:
        """Drop everything after `size` bytes."""
        os.ftruncate(self._descriptor, size)
        self.size = size

    def sync(self) -> None:
        """Wait until the data is on the disk."""
        os.fdatasync(self._descriptor)

    def rename(self, path: Path) -> None:
        """Sync, take another name, make that durable too, and close. Raises OSError, and then the file is still open
        under its old name.
        """
        os.fsync(self._descriptor)
        self.path.rename(path)
        self.path = path
        with contextlib.suppress(OSError):  # everything is on the disk
            self.close()
        sync_folder(path.parent)

    def close(self) -> None:
        """Let go of the file as it is."""
        os.close(self._descriptor)


def sync_folder(folder: Path) -> None:
    """Wait until the names in a folder are on the disk, where the file system lets a program wait for that."""
    with contextlib.suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
