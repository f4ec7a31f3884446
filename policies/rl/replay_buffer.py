"""Replay in shared memory: one collector appends steps while a learner in another process samples them.

A trajectory of T steps fills T + 1 rows: each step's observation, action and reward, then a last row that holds the
final observation alone. So the observation after any step is always the next row, also after a time limit.
"""

import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from multiprocessing.shared_memory import SharedMemory
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from leash_robot.robot.errors import PolicyError

RUNNING, TERMINATED, TRUNCATED, FINAL = range(4)
"""What a row is: a step amid an episode, its last step by failure, its last step by time, the observation after it."""

SHARED = Path("/dev/shm")  # noqa: S108
"""Where Linux keeps shared memory."""

GUARD = 64
"""Oldest rows of a full ring that are not sampled: the collector may be overwriting them."""

Layout = tuple[tuple[str, tuple[int, ...], str], ...]
"""Name, shape and NumPy type of each column."""


def layout(obs: int, privileged: int, actions: int, images: Mapping[str, tuple[int, int, int]] | None = None) -> Layout:
    """Columns of a replay; images stay uint8 (h, w, 3)."""
    floats = (("obs", (obs,)), ("privileged", (privileged,)), ("action", (actions,)), ("reward", ()))
    pixels = tuple((name, shape, "u1") for name, shape in (images or {}).items())
    return (*((name, shape, "f4") for name, shape in floats), ("end", (), "u1"), ("burst", (), "u4"), *pixels)


@dataclass(frozen=True)
class ReplaySlot:
    """Where a replay lies; another process opens it there."""

    memory: str
    capacity: int
    columns: Layout


@dataclass(frozen=True, eq=False)
class Draw:
    """B samples of n steps."""

    now: dict[str, NDArray[Any]]
    """Rows (B, ...) of the columns `obs`, `privileged`, `action` and images at the first step."""
    after: dict[str, NDArray[Any]]
    """Rows (B, ...) of the same columns after the last step; its `action` means nothing."""
    reward: NDArray[np.float32]
    """(B,) discounted sum over the steps."""
    discount: NDArray[np.float32]
    """(B,) what the value after the last step counts; 0 where the episode failed."""


class ReplayBuffer:
    """A ring of rows. One process may write; any may sample."""

    def __init__(self, place: ReplaySlot | None = None, *, capacity: int = 0, columns: Layout = ()) -> None:
        """Open the replay at `place`, or make one."""
        self._owner = place is None
        sizes = [np.dtype(kind).itemsize * int(np.prod(shape)) for _, shape, kind in (columns or _columns(place))]
        rows = place.capacity if place else capacity
        if rows <= GUARD:
            raise PolicyError(f"a replay of {rows} rows is too small; give it more than {GUARD}")
        self._memory = _memory(place, 64 + rows * sum(sizes) + 64 * len(sizes))
        self.place = place or ReplaySlot(self._memory.name, capacity, columns)
        self._count: NDArray[np.int64] = np.ndarray((1,), np.int64, self._memory.buf)
        self.columns: dict[str, NDArray[Any]] = {}
        """Each column (capacity, ...)."""
        offset = 64
        for (name, shape, kind), size in zip(self.place.columns, sizes, strict=True):
            self.columns[name] = np.ndarray((rows, *shape), kind, self._memory.buf, offset)
            offset += -(-rows * size // 64) * 64

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def close(self) -> None:
        """Release the memory; its maker also frees it."""
        self.columns, self._count = {}, np.zeros(1, np.int64)
        self._memory.close()
        if self._owner:
            self._memory.unlink()

    @property
    def written(self) -> int:
        """Rows ever written."""
        return int(self._count[0])

    def add(self, **row: ArrayLike) -> None:
        """Append one row; columns that are not named keep whatever was there."""
        at = int(self._count[0]) % self.place.capacity
        for name, value in row.items():
            self.columns[name][at] = value
        self._count[0] += 1

    def ready(self, steps: int) -> int:
        """How many rows `sample` may start from."""
        return max(0, self.written - steps - self._oldest())

    def held(self) -> dict[str, NDArray[Any]]:
        """Copies of the rows that can be sampled or continued, oldest first, for a checkpoint."""
        low, high = self._oldest(), self.written
        at = np.arange(low, high) % self.place.capacity
        rows = {name: array[at] for name, array in self.columns.items()}
        # Note: copying takes a while; what the collector has written over in the meantime is half of two steps.
        spoilt = min(self._oldest() - low, high - low)
        return {name: array[spoilt:] for name, array in rows.items()} if spoilt else rows

    def refill(self, rows: Mapping[str, NDArray[Any]]) -> None:
        """Append what another replay held; its last episode ends there, as by a time limit.

        Raises PolicyError for rows of another width. Nobody else may write or sample meanwhile.
        """
        for name, array in self.columns.items():
            if name not in rows or rows[name].shape[1:] != array.shape[1:]:
                raise PolicyError(
                    f"what was remembered has no {name} of {array.shape[1:]}, as this plan has; start anew"
                )
        capacity = self.place.capacity
        count, written = min(len(rows["end"]), capacity), self.written
        at = np.arange(written, written + count) % capacity
        for name, array in self.columns.items():
            array[at] = rows[name][len(rows[name]) - count :]
        end = self.columns["end"]
        if count and end[at[-1]] == RUNNING:
            # Note: what came after the last step is not known, so that step is of no use.
            end[at[-1]] = FINAL
            if count > 1 and end[at[-2]] == RUNNING:
                end[at[-2]] = TRUNCATED
        self._count[0] = written + count

    def _oldest(self) -> int:
        return max(0, self.written - self.place.capacity + GUARD)

    def sample(self, count: int, steps: int, gamma: float, rng: np.random.Generator) -> Draw:
        """Draw uniformly; each sample spans `steps` steps, fewer where an episode or a burst ends."""
        start = self._starts(count, steps, rng)
        reward, factor = np.zeros(count, np.float32), np.ones(count, np.float32)
        alive, after = np.ones(count, np.bool_), start.copy()
        end, burst, rewards = self.columns["end"], self.columns["burst"], self.columns["reward"]
        for _ in range(steps):
            here = after % self.place.capacity
            reward += np.where(alive, factor * rewards[here], 0.0)
            following = (after + 1) % self.place.capacity
            factor = np.where(alive, np.where(end[here] == TERMINATED, 0.0, factor * gamma), factor)
            after = after + alive
            alive = alive & (end[here] == RUNNING) & (burst[here] == burst[following])
        return Draw(self._rows(start), self._rows(after), reward, factor.astype(np.float32))

    def _starts(self, count: int, steps: int, rng: np.random.Generator) -> NDArray[np.int64]:
        """Absolute numbers of rows (count,) that hold a step and have all they need after them."""
        found = np.empty(0, np.int64)
        low, high = self._oldest(), self.written - steps
        while len(found) < count:
            drawn = rng.integers(low, high, count + count // 8 + 4)
            steady = self.columns["end"][drawn % self.place.capacity] != FINAL
            found = np.concatenate([found, drawn[steady]])
        return found[:count]

    def _rows(self, number: NDArray[np.int64]) -> dict[str, NDArray[Any]]:
        at = number % self.place.capacity
        return {name: array[at] for name, array in self.columns.items() if name not in {"reward", "end", "burst"}}


def _memory(place: ReplaySlot | None, size: int) -> SharedMemory:
    """That of `place`, or new memory of so many bytes. Raises PolicyError where there are not so many."""
    if place is not None:
        return SharedMemory(place.memory)
    # Note: pages are taken as they are first written; the first for which there is no room ends the process, by SIGBUS.
    if SHARED.is_dir() and size > (room := shutil.disk_usage(SHARED).free):
        raise PolicyError(
            f"{SHARED} has {room / 2**20:.0f} MB left, and remembering needs {size / 2**20:.0f} MB; make it larger (a"
            " container's --shm-size) or the plan's `capacity` smaller"
        )
    return SharedMemory(create=True, size=size)


def _columns(place: ReplaySlot | None) -> Layout:
    if place is None:
        raise PolicyError("a replay needs columns")
    return place.columns
