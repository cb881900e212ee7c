# SPDX-License-Identifier: Apache-2.0
"""Finds the blocks of messages of an MCAP file, and unpacks them."""

import zlib
from collections.abc import Iterator

from segrgbx_core.errors import BagError
from segrgbx_ros.bags.mcap_records import (
    CHANNEL,
    CHUNK,
    DATA_END,
    FOOTER,
    MCAP_MAGIC,
    MESSAGE,
    MESSAGE_HEADER,
    SCHEMA,
    Bytes,
    Chunk,
    MemoryBytes,
    Names,
    Record,
    chunk_of,
    record_at,
)
from segrgbx_ros.bags.mcap_summary import Block, Summary
from segrgbx_ros.bags.order import Damage
from segrgbx_ros.bags.unpack import LARGE, unpacked

TOGETHER = 4096
"""Messages outside of chunks are read in blocks of this number."""


class Blocks:
    """The blocks of one file. With a summary, chunks are found without looking at them.

    names: gets the schemas and channels that lie between the blocks. damage: what the walk met.
    """

    def __init__(self, source: Bytes, summary: Summary | None, names: Names, cut: bool) -> None:
        self._source, self._names, self._cut = source, names, cut
        self._known = {} if summary is None else summary.chunks
        self._end = source.size - (0 if cut else len(MCAP_MAGIC))
        self._found: list[Block] | None = None
        self._plain: Block | None = None
        self._plain_count = 0
        self.damage = Damage()

    def all(self) -> list[Block]:
        """All blocks in the order of the file, from a walk over it the first time."""
        if self._found is None:
            self._found = list(self._walk())
        return self._found

    def note(self, source: Bytes, record: Record, damage: Damage) -> None:
        """Takes a schema or channel."""
        try:
            self._names.note(source, record)
        except BagError as err:
            damage.add(f"at byte {record.start}: {err}")

    def _walk(self) -> Iterator[Block]:
        known = sorted(self._known, reverse=True)
        at = len(MCAP_MAGIC)
        while at < self._end:
            record = None if at in self._known else record_at(self._source, at, self._end)
            if record is not None and record.opcode in (DATA_END, FOOTER):
                break
            if record is not None and record.whole and record.opcode:
                yield from self._take(record)
                at = record.end
                continue
            yield from self._plain_gathered(at)
            if at not in self._known:
                yield from self._broken(record)
            while known and known[-1] < at:
                known.pop()
            if not known:
                break
            block = self._known[known.pop()]
            yield block
            at = block.end
        yield from self._plain_gathered(min(at, self._end))

    def _take(self, record: Record) -> Iterator[Block]:
        """Takes a whole record that the summary does not place."""
        if record.opcode == CHUNK:
            yield from self._plain_gathered(record.start)
            yield from self._chunk(record)
        elif record.opcode == MESSAGE and record.length < MESSAGE_HEADER.size:
            self.damage.add(f"a message of {record.length} bytes has no head")
        elif record.opcode == MESSAGE:
            head = self._source.read(record.at, MESSAGE_HEADER.size)
            log_ns = MESSAGE_HEADER.unpack(head)[2]
            before = self._plain or Block(record.start, 0, log_ns, False)
            self._plain = before._replace(first_ns=min(before.first_ns, log_ns))
            self._plain_count += 1
            if self._plain_count >= TOGETHER:
                yield from self._plain_gathered(record.end)
        elif record.opcode in (SCHEMA, CHANNEL):
            self.note(self._source, record, self.damage)

    def _plain_gathered(self, end: int) -> Iterator[Block]:
        """The messages outside of chunks since the last block."""
        if self._plain is not None:
            yield self._plain._replace(end=end)
        self._plain, self._plain_count = None, 0

    def _broken(self, record: Record | None) -> Iterator[Block]:
        """The block of a chunk that breaks off; the rest is damage, unless the file is cut."""
        if record is not None and record.opcode == CHUNK:
            yield from self._chunk(record)
        elif not self._cut:
            where = "before its end" if record is None else f"at byte {record.start}"
            self.damage.add(f"{where} stands no whole record")

    def _chunk(self, record: Record) -> Iterator[Block]:
        try:
            chunk = chunk_of(self._source, record)
        except BagError as err:
            if not self._cut:
                self.damage.add(f"the chunk at byte {record.start}: {err}")
            return
        yield Block(record.start, record.end, chunk.first_ns, True, None, chunk.size)

    def content(self, block: Block, damage: Damage) -> tuple[Bytes, int, int]:
        """Bytes, start and end of the block's records, unpacked as far as they are whole."""
        if not block.is_chunk:
            return self._source, block.start, block.end
        record = record_at(self._source, block.start, self._end)
        try:
            if record is None or record.opcode != CHUNK:
                raise BagError("the index says that it is there, but it is not")
            chunk = chunk_of(self._source, record)
        except BagError as err:
            damage.add(f"the chunk at byte {block.start}: {err}")
            return self._source, 0, 0
        if chunk.compression == "" and chunk.packed > LARGE:
            return self._source, chunk.at, chunk.at + chunk.packed
        return self._unpacked(chunk, block, damage)

    def _unpacked(self, chunk: Chunk, block: Block, damage: Damage) -> tuple[Bytes, int, int]:
        packed = self._source.read(chunk.at, min(chunk.packed, LARGE))
        content = unpacked(packed, chunk.compression)
        fault = content.fault
        if fault is None and chunk.whole:
            if len(content.data) != chunk.size:
                fault = f"it has {len(content.data)} bytes, not {chunk.size} as stated"
            elif chunk.crc and zlib.crc32(content.data) != chunk.crc:
                fault = "its checksum does not fit"
        if fault is not None and (chunk.whole or not self._cut):
            damage.add(f"the chunk at byte {block.start}: {fault}")
        return MemoryBytes(content.data), 0, len(content.data)
