"""Testing a file: every byte of it is looked at."""

import struct
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from leash_robot.robot.dataset.frames import list_frames
from leash_robot.robot.dataset.mcap.records import HEAD, MAGIC, Data, Op, record
from leash_robot.robot.dataset.mcap.rows import read_rows
from leash_robot.robot.dataset.mcap.scan import MISMATCH, FileFault, Scan, body_is_whole, map_file, scan
from leash_robot.robot.dataset.mcap.tick_schema import Rows
from leash_robot.robot.errors import EpisodeError

_CRC = struct.Struct("<I")


def verify(path: Path) -> list[FileFault]:
    """What is wrong with an episode and at which byte it was noticed. Raises EpisodeError when it is no episode."""
    try:
        data = map_file(path)
        found = scan(data)
    except OSError as error:
        raise EpisodeError(f"cannot read {path}: {error.strerror}") from None
    except EpisodeError as error:
        raise EpisodeError(f"{path}: {error}") from None
    return [*found.faults, *_contents(data, found)] or list(_ending(data, found))


def damage(path: Path, faults: Sequence[FileFault]) -> str:
    """What is wrong with a file, and the remedy, in a few words."""
    return f"damaged, at byte {faults[0].byte}: {faults[0].what}; `leash data recover {path}` saves what is whole"


def check_bytes(path: Path) -> None:
    """Test every byte of a finished episode whose ticks were read without complaint. Raises EpisodeError."""
    data = map_file(path)
    if faults := list(_ending(data, scan(data))):
        raise EpisodeError(f"{path} is {damage(path, faults)}")


def _contents(data: Data, found: Scan) -> Iterator[FileFault]:
    broken = [block for block in found.views if not body_is_whole(data, block)]
    yield from (FileFault(block.start, MISMATCH) for block in broken)
    if broken:
        return
    try:
        rows = read_rows(data, found)
        list(list_frames(data, found))
    except EpisodeError as error:
        yield FileFault(found.commit, str(error))
        return
    yield from _order(rows, found)
    if found.end is None or found.data_end is None:
        yield FileFault(len(data), "it was never finished")
    elif found.end.ticks != len(rows):
        yield FileFault(found.data_end, f"{len(rows)} of its {found.end.ticks} ticks are readable")


def _order(rows: Rows, found: Scan) -> Iterator[FileFault]:
    # Note: a capture time may repeat, where no newer joint state had come by the next tick.
    for name, least in (("time", 0.0), ("number", 1.0)):
        forward = np.diff(rows[name].astype(np.float64)) >= least
        if not forward.all():
            place = int(np.argmin(forward)) + 1
            yield FileFault(found.commit, f"the {name} of tick {place} does not follow that of the one before")


def _ending(data: Data, found: Scan) -> Iterator[FileFault]:
    """The checksums of what lies outside the chunks."""
    start = found.data_end or 0
    if data[start : start + HEAD.size + _CRC.size] != record(Op.DATA_END, _CRC.pack(zlib.crc32(data[:start]))):
        yield FileFault(start, "data that does not match its checksum")
    stop = len(data) - len(MAGIC) - _CRC.size
    if zlib.crc32(data[start + HEAD.size + _CRC.size : stop]) != _CRC.unpack_from(data, stop)[0]:
        yield FileFault(stop, "an index that does not match its checksum")
