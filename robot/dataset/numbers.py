"""Numbers for new episodes: each is kept from all others before it is given, so that none is ever shown twice."""

import contextlib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from leash_robot.robot.dataset.folder import keep_index, next_index, release_index


class Numbers:
    """The numbers of one session. One is always kept ahead, by a thread: giving it away waits for no disk, and it stays
    used although every process is killed right afterwards. A session that is closed gives back the one it did not use.
    """

    def __init__(self, folder: Path) -> None:
        """Keep the first number, under the folder's lock. Raises OSError."""
        self._folder = folder
        self.next = next_index(folder)
        """The number that the next episode will have."""
        keep_index(folder, self.next)
        self._keeper = ThreadPoolExecutor(1)

    def take(self) -> int:
        """The next number; never blocks. What the disk refuses, the recorder process says too."""
        number, self.next = self.next, self.next + 1
        self._keeper.submit(keep_index, self._folder, self.next)
        return number

    def close(self) -> None:
        """Give back what was kept ahead, still under the lock."""
        self._keeper.shutdown()
        with contextlib.suppress(OSError):
            release_index(self._folder, self.next)
