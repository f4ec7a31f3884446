"""MCAP records as bytes: only what an episode needs of the format. https://mcap.dev/spec"""

import math
import struct
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import IntEnum

MAGIC = b"\x89MCAP0\r\n"

HEAD = struct.Struct("<BQ")
"""Operation code and length of the body that follows."""
MESSAGE_HEAD = struct.Struct("<HIQQ")
"""Channel, sequence, log time, publish time [ns]; the payload follows."""
CHUNK_HEAD = struct.Struct("<QQQIIQ")
"""First and last log time [ns], size, CRC-32, length of the (empty) compression name, size again; records follow."""


Data = bytes | memoryview

LARGEST_METADATA = 1 << 20
"""Bytes of metadata that are believed."""


class Op(IntEnum):
    """Operation codes."""

    HEADER = 0x01
    FOOTER = 0x02
    SCHEMA = 0x03
    CHANNEL = 0x04
    MESSAGE = 0x05
    CHUNK = 0x06
    MESSAGE_INDEX = 0x07
    CHUNK_INDEX = 0x08
    STATISTICS = 0x0B
    METADATA = 0x0C
    METADATA_INDEX = 0x0D
    SUMMARY_OFFSET = 0x0E
    DATA_END = 0x0F


_LEAST = dict.fromkeys(Op, 0) | {
    Op.CHANNEL: 4,
    Op.MESSAGE: MESSAGE_HEAD.size,
    Op.CHUNK: CHUNK_HEAD.size,
    Op.MESSAGE_INDEX: 6,
    Op.DATA_END: 4,
}
"""What a body has at least."""


@dataclass(frozen=True, slots=True)
class Message:
    """One message of one channel; times in wall-clock nanoseconds."""

    channel: int
    sequence: int
    log: int
    publish: int
    data: Data


@dataclass(frozen=True, slots=True)
class Chunk:
    """A group of messages that share a checksum."""

    messages: Sequence[Message]

    @property
    def first(self) -> int:
        """Earliest log time [ns]."""
        return min(message.log for message in self.messages)

    @property
    def last(self) -> int:
        """Latest log time [ns]."""
        return max(message.log for message in self.messages)

    def encode(self) -> bytes:
        """The chunk record, not compressed: JPEG does not shrink, and readers can slice it in place."""
        body = b"".join(map(message, self.messages))
        head = CHUNK_HEAD.pack(self.first, self.last, len(body), zlib.crc32(body), 0, len(body))
        return record(Op.CHUNK, head, body)

    def indexes(self) -> dict[int, bytes]:
        """The message index record of each channel in the chunk."""
        entries: dict[int, list[bytes]] = {}
        offset = 0
        for item in self.messages:
            entries.setdefault(item.channel, []).append(struct.pack("<QQ", item.log, offset))
            offset += HEAD.size + MESSAGE_HEAD.size + len(item.data)
        return {
            channel: record(Op.MESSAGE_INDEX, struct.pack("<HI", channel, 16 * len(parts)), *parts)
            for channel, parts in entries.items()
        }


@dataclass
class ChunkPlace:
    """Where a chunk lies in the file, and its message indexes by channel."""

    start: int
    length: int
    first: int
    last: int
    index_length: int = 0
    indexes: dict[int, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Block:
    """One top-level record: the bytes [start, stop), head included."""

    op: int
    start: int
    stop: int

    @property
    def body(self) -> int:
        """Where the record's body begins."""
        return self.start + HEAD.size


def blocks(data: Data, position: int) -> Iterator[Block]:
    """The records from `position` on, for as long as they hang together."""
    while position + HEAD.size <= len(data):
        op, length = HEAD.unpack_from(data, position)
        stop = position + HEAD.size + length
        if length < _LEAST.get(op, math.inf) or stop > len(data):
            return
        yield Block(op, position, stop)
        position = stop


def record(op: Op, *parts: Data) -> bytes:
    """A record: operation code, length, body."""
    body = b"".join(parts)
    return HEAD.pack(op, len(body)) + body


def text(value: str) -> bytes:
    """A length-prefixed string."""
    data = value.encode()
    return struct.pack("<I", len(data)) + data


def table(values: Mapping[str, str]) -> bytes:
    """A length-prefixed map of strings."""
    data = b"".join(text(key) + text(value) for key, value in values.items())
    return struct.pack("<I", len(data)) + data


def header(profile: str, library: str) -> bytes:
    """The first record of a file."""
    return record(Op.HEADER, text(profile), text(library))


def schema(number: int, name: str, encoding: str, data: bytes) -> bytes:
    """What the messages of a channel look like."""
    return record(Op.SCHEMA, struct.pack("<H", number), text(name), text(encoding), struct.pack("<I", len(data)), data)


def channel(number: int, schema: int, topic: str, encoding: str) -> bytes:
    """A named stream of messages."""
    return record(Op.CHANNEL, struct.pack("<HH", number, schema), text(topic), text(encoding), table({}))


def message(item: Message) -> bytes:
    """One message."""
    return record(Op.MESSAGE, MESSAGE_HEAD.pack(item.channel, item.sequence, item.log, item.publish), item.data)


def metadata(name: str, values: Mapping[str, str]) -> bytes:
    """Named facts about the file."""
    return record(Op.METADATA, text(name), table(values))


def metadata_index(offset: int, length: int, name: str) -> bytes:
    """Where a metadata record lies."""
    return record(Op.METADATA_INDEX, struct.pack("<QQ", offset, length), text(name))


def chunk_index(place: ChunkPlace) -> bytes:
    """Where a chunk lies, and where the message index of each of its channels does."""
    size = place.length - HEAD.size - CHUNK_HEAD.size
    return record(
        Op.CHUNK_INDEX,
        struct.pack("<QQQQ", place.first, place.last, place.start, place.length),
        struct.pack("<I", 10 * len(place.indexes)),
        *(struct.pack("<HQ", number, where) for number, where in place.indexes.items()),
        struct.pack("<Q", place.index_length),
        text(""),
        struct.pack("<QQ", size, size),
    )


def statistics(chunks: Sequence[ChunkPlace], messages: Mapping[int, int], schemas: int, metadata: int) -> bytes:
    """How much of everything the file holds; `messages` counts them by channel, silent channels included."""
    first = min((chunk.first for chunk in chunks), default=0)
    last = max((chunk.last for chunk in chunks), default=0)
    return record(
        Op.STATISTICS,
        struct.pack("<QHIII", sum(messages.values()), schemas, len(messages), 0, metadata),
        struct.pack("<IQQ", len(chunks), first, last),
        struct.pack("<I", 10 * len(messages)),
        *(struct.pack("<HQ", number, count) for number, count in messages.items()),
    )


def ending(data_crc: int, start: int, groups: Iterable[tuple[Op, bytes]]) -> bytes:
    """Everything after the data: its checksum, the summary in groups of one operation code, footer, magic.

    `start` is the offset in the file at which this ending will lie.
    """
    data_end = record(Op.DATA_END, struct.pack("<I", data_crc))
    summary_start = start + len(data_end)
    summary, offsets = b"", b""
    for op, data in groups:
        if data:
            where = struct.pack("<BQQ", op, summary_start + len(summary), len(data))
            offsets += record(Op.SUMMARY_OFFSET, where)
            summary += data
    footer = HEAD.pack(Op.FOOTER, 20) + struct.pack("<QQ", summary_start, summary_start + len(summary))
    crc = zlib.crc32(summary + offsets + footer)
    return data_end + summary + offsets + footer + struct.pack("<I", crc) + MAGIC


def take_metadata(data: Data, block: Block) -> tuple[str, dict[str, str]]:
    """Name and contents of a metadata record; empty when they cannot be made out."""
    raw = data[block.body : min(block.stop, block.body + LARGEST_METADATA)]
    values: dict[str, str] = {}
    try:
        name, position = _take_text(raw, 0)
        position += 4
        while position < len(raw):
            key, position = _take_text(raw, position)
            values[key], position = _take_text(raw, position)
    except (struct.error, UnicodeDecodeError):
        return "", {}
    return name, values


def _take_text(data: Data, position: int) -> tuple[str, int]:
    (length,) = struct.unpack_from("<I", data, position)
    stop = position + 4 + length
    return bytes(data[position + 4 : stop]).decode(), stop
