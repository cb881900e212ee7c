# SPDX-License-Identifier: Apache-2.0
"""The summary at the end of an MCAP file: topics, counts, and where the chunks lie."""

import struct
import zlib
from dataclasses import dataclass
from typing import NamedTuple

from segrgbx_core.errors import BagError
from segrgbx_ros.bags.mcap_records import (
    CHANNEL,
    CHUNK_INDEX,
    FOOTER,
    HEAD,
    MCAP_MAGIC,
    MOST_SCHEMA_BYTES,
    SCHEMA,
    STATISTICS,
    Bytes,
    Fields,
    Names,
    record_at,
    records,
)

CHUNK_INDEX_HEADER = struct.Struct("<QQQQI")
FOOTER_CONTENT = struct.Struct("<QQI")
FOOTER_BYTES = HEAD.size + FOOTER_CONTENT.size
PIECE = 1 << 20


class Block(NamedTuple):
    """Where some messages lie: a chunk with its message indexes, or messages outside of chunks.

    first_ns: log time of the first. channels: those of its messages, None if not stated. size:
    in bytes, unpacked, as stated. last_ns: log time of the last, None if not stated.
    """

    start: int
    end: int
    first_ns: int
    is_chunk: bool
    channels: frozenset[int] | None = None
    size: int = 0
    last_ns: int | None = None

    def overlaps(self, start_ns: int, end_ns: int) -> bool:
        """Whether messages of the block may lie from the first time on and before the second."""
        return self.first_ns < end_ns and (self.last_ns is None or self.last_ns >= start_ns)


@dataclass(frozen=True)
class Summary:
    """The end of a complete file.

    names: the channels repeated there. counts: messages by channel. first_ns, last_ns: log times.
    chunks: by their start.
    """

    names: Names
    counts: dict[int, int]
    first_ns: int
    last_ns: int
    chunks: dict[int, Block]


def summary_of(source: Bytes) -> Summary | None:
    """The summary, if it says what every message's topic is; None where the file must be read.

    It is not used either if its checksum does not match.
    """
    footer_at = source.size - len(MCAP_MAGIC) - FOOTER_BYTES
    footer = record_at(source, footer_at, source.size)
    if footer_at < 0 or footer is None or footer.opcode != FOOTER:
        return None
    content = source.read(footer.at, FOOTER_CONTENT.size)
    start, _, crc = FOOTER_CONTENT.unpack(content)
    if not len(MCAP_MAGIC) <= start < footer_at:
        return None
    if crc and crc != _crc(source, start, source.size - len(MCAP_MAGIC) - 4):
        return None
    try:
        return _summary(source, start, footer_at)
    except (BagError, struct.error):
        return None


def _crc(source: Bytes, start: int, end: int) -> int:
    crc = 0
    for at in range(start, end, PIECE):
        crc = zlib.crc32(source.read(at, min(PIECE, end - at)), crc)
    return crc


def _summary(source: Bytes, start: int, end: int) -> Summary | None:
    names, chunks = Names(), dict[int, Block]()
    totals: tuple[int, int, int] | None = None
    counts: dict[int, int] = {}
    for record in records(source, start, end):
        if record.opcode in (SCHEMA, CHANNEL):
            names.note(source, record)
        elif record.opcode == CHUNK_INDEX:
            chunk = _indexed(source.read(record.at, min(record.length, MOST_SCHEMA_BYTES)))
            if not chunk.start < chunk.end <= start:
                return None
            chunks[chunk.start] = chunk
        elif record.opcode == STATISTICS:
            fields = Fields(source.read(record.at, min(record.length, MOST_SCHEMA_BYTES)))
            total = fields.number(8)
            fields.bytes(18)
            totals = (total, fields.number(8), fields.number(8))
            counts = {fields.number(2): fields.number(8) for _ in range(fields.number(4) // 10)}
    known = all(names.knows(number) for number, count in counts.items() if count)
    if totals is None or sum(counts.values()) != totals[0] or not known:
        return None
    return Summary(names, counts, totals[1], totals[2], chunks)


def _indexed(data: bytes) -> Block:
    fields = Fields(data)
    first_ns, last_ns, start, length, size = CHUNK_INDEX_HEADER.unpack(
        fields.bytes(CHUNK_INDEX_HEADER.size)
    )
    entries = fields.bytes(size)
    channels = frozenset(
        int.from_bytes(entries[at : at + 2], "little") for at in range(0, size, 10)
    )
    end = start + length + fields.number(8)
    fields.text()
    fields.number(8)
    unpacked = fields.number(8)
    return Block(start, end, first_ns, True, channels or None, size=unpacked, last_ns=last_ns)
