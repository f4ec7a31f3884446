"""Writing one episode: groups of checksummed chunks, appended, synced, and renamed when the episode is complete.

Bytes reach the file in groups: first a chunk with what viewers show (joint states, camera frames), then one with the
ticks. A group counts only once its tick chunk is whole, so no tick is ever kept without its frames.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Self

import msgspec
import numpy as np

from leash_robot.robot.dataset.mcap import records as mcap
from leash_robot.robot.dataset.mcap.append_only_file import AppendFile
from leash_robot.robot.dataset.mcap.records import Chunk, Message
from leash_robot.robot.dataset.mcap.ros_messages import (
    COMPRESSED_IMAGE,
    DEFINITIONS,
    JOINT_STATE,
    compressed_image,
    joint_state,
)
from leash_robot.robot.dataset.mcap.rows import read_rows
from leash_robot.robot.dataset.mcap.scan import FIRST_CAMERA, JOINTS, TARGETS, TICKS, map_file, scan
from leash_robot.robot.dataset.mcap.summary import Ledger
from leash_robot.robot.dataset.mcap.tick_schema import MESSAGE, Layout
from leash_robot.robot.dataset.metadata import END, START, End, EpisodeStart, pack_facts, wall
from leash_robot.robot.errors import EpisodeError

PARTIAL = ".partial"


class EpisodeWriter:
    """One episode under construction, in `<path>.partial` until `finish`.

    Whatever raises OSError (a full disk) leaves the file as it was after the last `flush` that succeeded, so that
    `finish` may still be tried once there is room.
    """

    def __init__(self, path: Path, start: EpisodeStart) -> None:
        """Create the file. Raises OSError, also when it exists."""
        self._begin(path, start)
        self._file = AppendFile(partial(path), fresh=True)
        self._append(preamble(start))

    @classmethod
    def resume(cls, path: Path) -> Self:
        """Go on with an episode that a crash interrupted; what was not written whole is cut off.

        Raises EpisodeError when it never began or something before the cut is damaged, and OSError.
        """
        data = map_file(partial(path))
        found = scan(data)
        damage = [fault for fault in found.faults if fault.byte < found.commit]
        if damage:
            raise EpisodeError(f"{partial(path)} is damaged at byte {damage[0].byte}: {damage[0].what}")
        rows = read_rows(data, found)
        if not len(rows):
            partial(path).unlink()
            return cls(path, found.start)
        writer = cls.__new__(cls)
        writer._begin(path, found.start)
        writer.ticks, writer.number = len(rows), int(rows["number"][-1])
        writer._ledger.take(data[: found.commit])
        writer._file = AppendFile(partial(path), fresh=False)
        writer._file.cut(found.commit)
        return writer

    def _begin(self, path: Path, start: EpisodeStart) -> None:
        self.path, self.start = path, start
        self.layout = Layout.of(start.spec, start.cameras)
        self.ticks = 0
        """Ticks in the file or about to be."""
        self.number = -1
        """Number of the newest of them."""
        self._ledger = Ledger()
        self._views: list[Message] = []
        self._rows: list[Message] = []
        self.waiting = 0
        """Bytes added since the last flush, about."""

    def add(self, row: bytes, frames: Mapping[int, bytes]) -> None:
        """Take a tick as `Layout.pack` made it, and the JPEGs of the cameras (by number) that have a new frame."""
        tick = np.frombuffer(row, self.layout.dtype)[0]
        self.number, self.ticks = int(tick["number"]), self.ticks + 1
        self.waiting += len(row) + sum(map(len, frames.values()))
        captured, seen = self._wall(tick["time"]), self._wall(tick["time"] + tick["age"])
        self._rows.append(Message(TICKS, self.number, seen, captured, row))
        names, none = self.start.spec.names, np.empty(0)
        state = joint_state(captured, names, tick["joint_pos"], tick["joint_vel"], tick["joint_effort"])
        self._views.append(Message(JOINTS, self.number, seen, captured, state))
        target = joint_state(seen, names, tick["sent"]["joint_pos"], none, none)
        self._views.append(Message(TARGETS, self.number, seen, seen, target))
        for camera, jpeg in frames.items():
            taken = self._wall(tick["camera_time"][camera])
            image = compressed_image(taken, self.start.cameras[camera], jpeg)
            self._views.append(Message(FIRST_CAMERA + camera, self.number, seen, taken, image))

    def flush(self) -> None:
        """Hand everything added so far to the kernel: from here on it survives the death of this process."""
        if self._rows:
            group = (Chunk(self._views), Chunk(self._rows))
            self._append(b"".join(part for chunk in group for part in (chunk.encode(), *chunk.indexes().values())))
            self._views, self._rows, self.waiting = [], [], 0

    def copy(self, chunk: Chunk) -> None:
        """Append a chunk of another file as it is."""
        self._append(chunk.encode() + b"".join(chunk.indexes().values()))
        numbers = [message.sequence for message in chunk.messages if message.channel == TICKS]
        self.ticks, self.number = self.ticks + len(numbers), max([self.number, *numbers])

    def forget(self) -> None:
        """Give up what was added since the last flush that succeeded."""
        self.ticks -= len(self._rows)
        self._views, self._rows, self.waiting = [], [], 0

    def sync(self) -> None:
        """Wait until everything flushed is on the disk: from here on it survives a power cut."""
        self._file.sync()

    def finish(self, end: End) -> Path:
        """Complete the file and give it its name, or the next free one where that is taken; `end.ticks` is filled in.

        Raises OSError, and then the file is without an ending and may be finished otherwise.
        """
        self.flush()
        size, ledger = self._file.size, self._ledger.copy()
        try:
            self._append(mcap.metadata(END, pack_facts(msgspec.structs.replace(end, ticks=self.ticks))))
            self._file.append(self._ledger.ending())
            self.path = free_path(self.path)
            self._file.rename(self.path)
        except OSError:
            self._file.cut(size)
            self._ledger = ledger
            raise
        return self.path

    def discard(self) -> None:
        """Remove the file: it holds nothing."""
        self._file.close()
        partial(self.path).unlink()

    def close(self) -> None:
        """Let go of the file as it is, unfinished."""
        self._file.close()

    def _append(self, data: bytes) -> None:
        self._file.append(data)
        self._ledger.take(data)

    def _wall(self, time: float) -> int:
        return wall(time, self.start)


def free_path(path: Path) -> Path:
    """The name of a finished episode, or that of the next number that no finished episode has."""
    while path.exists():
        head, _, number = path.stem.rpartition("_")
        path = path.with_name(f"{head}_{int(number) + 1:06d}.mcap" if number.isdecimal() else f"{path.stem}_1.mcap")
    return path


def partial(path: Path) -> Path:
    """The name of an episode that is not complete."""
    return path.with_name(path.name + PARTIAL)


def preamble(start: EpisodeStart) -> bytes:
    """Everything before the first tick; says nothing that is not in `start`."""
    layout = Layout.of(start.spec, start.cameras)
    cameras = enumerate(start.cameras, FIRST_CAMERA)
    return b"".join(
        [
            mcap.MAGIC,
            mcap.header("", f"leash {start.version}"),
            mcap.metadata(START, pack_facts(start)),
            mcap.schema(1, MESSAGE, "protobuf", layout.descriptor),
            mcap.schema(2, JOINT_STATE, "ros2msg", DEFINITIONS[JOINT_STATE].encode()),
            mcap.schema(3, COMPRESSED_IMAGE, "ros2msg", DEFINITIONS[COMPRESSED_IMAGE].encode()),
            mcap.channel(TICKS, 1, "/tick", "protobuf"),
            mcap.channel(JOINTS, 2, "/joint_states", "cdr"),
            mcap.channel(TARGETS, 2, "/joint_targets", "cdr"),
            *(mcap.channel(number, 3, f"/camera/{name}", "cdr") for number, name in cameras),
        ]
    )
