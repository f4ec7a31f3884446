"""The account of an episode file, drawn from its bytes, new or found after a crash; its ending is written from it."""

import copy
import struct
import zlib

from leash_robot.robot.dataset.mcap import records as mcap
from leash_robot.robot.dataset.mcap.records import CHUNK_HEAD, MAGIC, Block, ChunkPlace, Data, Op

_CHANNEL = struct.Struct("<H")
_ENTRY_SIZE = 16


class Ledger:
    """What a file holds so far. Feed it every byte of the data section, whole records at a time."""

    def __init__(self) -> None:
        self.size = 0
        """Bytes accounted for."""
        self._crc = 0
        self._kept: dict[int, list[bytes]] = {Op.SCHEMA: [], Op.CHANNEL: [], Op.METADATA: []}
        self._chunks: list[ChunkPlace] = []
        self._messages: dict[int, int] = {}

    def take(self, data: Data) -> None:
        """Account for the bytes that follow those already taken."""
        self._crc = zlib.crc32(data, self._crc)
        for block in mcap.blocks(data, 0 if self.size else len(MAGIC)):
            if block.op in self._kept:
                self._keep(data, block)
            elif block.op == Op.CHUNK:
                first, last, *_ = CHUNK_HEAD.unpack_from(data, block.body)
                self._chunks.append(ChunkPlace(self.size + block.start, block.stop - block.start, first, last))
            elif block.op == Op.MESSAGE_INDEX and self._chunks:
                self._count(data, block)
        self.size += len(data)

    def copy(self) -> "Ledger":
        """An account that goes its own way from here."""
        return copy.deepcopy(self)

    def ending(self) -> bytes:
        """What to append so that the file is complete."""
        schemas, channels, metadata = self._kept[Op.SCHEMA], self._kept[Op.CHANNEL], self._kept[Op.METADATA]
        statistics = mcap.statistics(self._chunks, self._messages, len(schemas), len(metadata))
        groups = [
            (Op.SCHEMA, b"".join(schemas)),
            (Op.CHANNEL, b"".join(channels)),
            (Op.STATISTICS, statistics),
            (Op.CHUNK_INDEX, b"".join(map(mcap.chunk_index, self._chunks))),
            (Op.METADATA_INDEX, b"".join(metadata)),
        ]
        return mcap.ending(self._crc, self.size, groups)

    def _keep(self, data: Data, block: Block) -> None:
        """The summary repeats schemas and channels, and says where metadata lies."""
        raw = bytes(data[block.start : block.stop])
        if block.op == Op.METADATA:
            raw = mcap.metadata_index(self.size + block.start, len(raw), mcap.take_metadata(data, block)[0])
        elif block.op == Op.CHANNEL:
            self._messages[_CHANNEL.unpack_from(data, block.body)[0]] = 0
        self._kept[block.op].append(raw)

    def _count(self, data: Data, block: Block) -> None:
        """Message indexes follow their chunk and have one entry of fixed size a message."""
        (channel,) = _CHANNEL.unpack_from(data, block.body)
        self._messages[channel] = self._messages.get(channel, 0) + (block.stop - block.body) // _ENTRY_SIZE
        chunk = self._chunks[-1]
        chunk.indexes[channel] = self.size + block.start
        chunk.index_length += block.stop - block.start
