"""Finding what is whole in an episode's bytes, whatever a crash, a full disk or a flipped bit did to the rest."""

import mmap
import os
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from leash_robot.robot.dataset.mcap.records import (
    CHUNK_HEAD,
    HEAD,
    MAGIC,
    MESSAGE_HEAD,
    Block,
    Data,
    Message,
    Op,
    blocks,
    take_metadata,
)
from leash_robot.robot.dataset.metadata import END, START, End, EpisodeStart, unpack_facts
from leash_robot.robot.errors import EpisodeError

TICKS, JOINTS, TARGETS, FIRST_CAMERA = 1, 2, 3, 4
"""Channel numbers; cameras follow in the spec's order."""

MISMATCH = "a chunk that does not match its checksum"

_CRC = struct.Struct("<I")
_CHANNEL = struct.Struct("<H")


@dataclass(frozen=True, slots=True)
class FileFault:
    """Something wrong, and at which byte."""

    byte: int
    what: str


@dataclass
class Scan:
    """What is whole in a file."""

    start: EpisodeStart
    ticks: list[Block] = field(default_factory=list)
    """Chunks of ticks with a matching checksum."""
    views: list[Block] = field(default_factory=list)
    """Chunks of everything else; their checksum is tested when they are read."""
    end: End | None = None
    data_end: int | None = None
    """Where the data ends, if the file says so."""
    commit: int = 0
    """The end of the last group of chunks that was written whole."""
    faults: list[FileFault] = field(default_factory=list)
    digest: str = ""
    """Size and checksum of the file: of a finished one as it says itself, of another one as counted."""


def scan(data: Data) -> Scan:
    """Walk the records of an episode, finished or not. Raises EpisodeError when it is no episode at all."""
    records = _records(data)
    found = Scan(_start(data, records))
    position = 0
    for block in records:
        position = block.stop
        if block.op == Op.DATA_END:
            found.data_end = block.start
            found.digest = f"{len(data):x}-{_CRC.unpack_from(data, block.body)[0]:08x}"
            break
        _take(data, block, found)
    found.digest = found.digest or f"{len(data):x}-{zlib.crc32(data):08x}-unfinished"
    _check_ending(data, found, position)
    return found


def read_start(data: Data) -> EpisodeStart:
    """Only what an episode says at its beginning. Raises EpisodeError when it is no episode at all."""
    return _start(data, _records(data))


def map_file(path: Path) -> Data:
    """The bytes of a file; of a finished episode, read only when they are looked at.

    Note: an unfinished one is read at once, for its writer may cut it, and looking beyond the cut would kill us.
    """
    with path.open("rb") as file:
        if path.suffix != ".mcap" or not os.fstat(file.fileno()).st_size:
            return file.read()
        return memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))


def body_is_whole(data: Data, block: Block) -> bool:
    """Whether a chunk is one of ours (not compressed) and matches its checksum."""
    _, _, size, crc, compression, stored = CHUNK_HEAD.unpack_from(data, block.body)
    records = block.body + CHUNK_HEAD.size
    if compression or size != stored or records + size != block.stop:
        return False
    return bool(zlib.crc32(data[records : block.stop]) == crc)


def messages(data: Data, block: Block) -> Iterator[tuple[Message, int]]:
    """The messages of a chunk, and where in the file each payload begins. Raises EpisodeError when they do not fit."""
    if not body_is_whole(data, block):
        raise EpisodeError(f"damaged at byte {block.start}: {MISMATCH}")
    position = block.body + CHUNK_HEAD.size
    while position < block.stop:
        record = next(blocks(data, position), None)
        if record is None or record.op != Op.MESSAGE or record.stop > block.stop:
            raise EpisodeError(f"damaged at byte {position}: not a message")
        payload = record.body + MESSAGE_HEAD.size
        channel, sequence, log, publish = MESSAGE_HEAD.unpack_from(data, record.body)
        yield Message(channel, sequence, log, publish, data[payload : record.stop]), payload
        position = record.stop


def _records(data: Data) -> Iterator[Block]:
    if data[: len(MAGIC)] != MAGIC:
        raise EpisodeError("not an MCAP file")
    return blocks(data, len(MAGIC))


def _start(data: Data, records: Iterator[Block]) -> EpisodeStart:
    for block in records:
        if block.op == Op.METADATA:
            name, facts = take_metadata(data, block)
            start = unpack_facts(facts, EpisodeStart) if name == START else None
            if start is None:
                break
            return start
        if block.op != Op.HEADER:
            break
    raise EpisodeError("an MCAP file, but it does not begin like an episode")


def _take(data: Data, block: Block, found: Scan) -> None:
    if block.op == Op.CHUNK:
        _take_chunk(data, block, found)
    elif block.op == Op.MESSAGE_INDEX:
        if _CHANNEL.unpack_from(data, block.body)[0] == TICKS:
            found.commit = block.stop
    elif block.op == Op.METADATA:
        name, facts = take_metadata(data, block)
        found.end = unpack_facts(facts, End) if name == END else found.end


def _take_chunk(data: Data, block: Block, found: Scan) -> None:
    """Note: which chunks are skipped unread is decided by a byte not yet checked; the tick count tells if it lied."""
    first = block.body + CHUNK_HEAD.size + HEAD.size
    if first + MESSAGE_HEAD.size > block.stop:
        found.faults.append(FileFault(block.start, "a chunk without messages"))
    elif MESSAGE_HEAD.unpack_from(data, first)[0] != TICKS:
        found.views.append(block)
    elif body_is_whole(data, block):
        found.ticks.append(block)
    else:
        found.faults.append(FileFault(block.start, MISMATCH))


def _check_ending(data: Data, found: Scan, position: int) -> None:
    if found.data_end is None and position != len(data):
        found.faults.append(FileFault(position, "a record that is cut short"))
    if found.data_end is not None and data[-len(MAGIC) :] != MAGIC:
        found.faults.append(FileFault(len(data), "an ending that is cut short"))
