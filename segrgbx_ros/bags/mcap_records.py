# SPDX-License-Identifier: Apache-2.0
"""The records of an MCAP file (https://mcap.dev/spec): where they lie, and what they say."""

import os
import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import BinaryIO, NamedTuple, Protocol

from segrgbx_core.errors import BagError

MCAP_MAGIC = b"\x89MCAP0\r\n"
HEADER, FOOTER, SCHEMA, CHANNEL, MESSAGE, CHUNK, MESSAGE_INDEX, CHUNK_INDEX = range(1, 9)
STATISTICS, DATA_END = 0x0B, 0x0F
HEAD = struct.Struct("<BQ")
MESSAGE_HEADER = struct.Struct("<HIQQ")
CHUNK_HEADER = struct.Struct("<QQQI")
MOST_SCHEMA_BYTES = 1 << 24
MOST_CHUNK_HEAD = CHUNK_HEADER.size + 4 + 64 + 8
FORMATS = {"ros2msg": "cdr", "ros2idl": "cdr", "omgidl": "cdr", "ros1msg": "ros1"}


class Bytes(Protocol):
    """Bytes with random access. size: how many there are."""

    size: int

    def read(self, at: int, count: int) -> bytes:
        """These bytes; fewer where they end."""
        ...


class FileBytes:
    """The bytes of an open file."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self.size = file.seek(0, os.SEEK_END)
        self._at = self.size

    def read(self, at: int, count: int) -> bytes:
        """See Bytes."""
        count = max(0, min(count, self.size - at))
        if at != self._at:
            self._file.seek(at)
        data = self._file.read(count)
        self._at = at + len(data)
        return data


class MemoryBytes:
    """Bytes in memory."""

    def __init__(self, data: bytes | bytearray) -> None:
        self._data = memoryview(data)
        self.size = len(data)

    def read(self, at: int, count: int) -> bytes:
        """See Bytes."""
        return bytes(self._data[at : at + count])


class Record(NamedTuple):
    """One record. start: of the record, at: of its content; whole: False if its end is missing."""

    opcode: int
    start: int
    at: int
    length: int
    whole: bool

    @property
    def end(self) -> int:
        """Where the next record starts."""
        return self.at + self.length


def record_at(source: Bytes, at: int, end: int) -> Record | None:
    """The record that starts at `at`; None if no length of one stands before `end`."""
    head = source.read(at, HEAD.size)
    if len(head) < HEAD.size or at + HEAD.size > end:
        return None
    opcode, length = HEAD.unpack(head)
    content = at + HEAD.size
    return Record(opcode, at, content, min(length, end - content), content + length <= end)


def records(source: Bytes, at: int, end: int) -> Iterator[Record]:
    """All records between two places; the last one is the first that is not whole."""
    while (record := record_at(source, at, end)) is not None:
        yield record
        at = record.end
        if not record.whole or record.opcode == 0:
            return


class Channel(NamedTuple):
    """A topic, the encoding of its messages and the number of its schema, 0 for none."""

    topic: str
    encoding: str
    schema: int


@dataclass
class Names:
    """Schemas (name, encoding) and channels by number, as far as they have been read."""

    schemas: dict[int, tuple[str, str]] = field(default_factory=dict)
    channels: dict[int, Channel] = field(default_factory=dict)

    def note(self, source: Bytes, record: Record) -> None:
        """Takes a schema or channel. Raises BagError if it is not whole."""
        reader = Fields(source.read(record.at, min(record.length, MOST_SCHEMA_BYTES)))
        if record.opcode == SCHEMA:
            number = reader.number(2)
            self.schemas[number] = (reader.text(), reader.text())
        elif record.opcode == CHANNEL:
            number, schema = reader.number(2), reader.number(2)
            self.channels[number] = Channel(reader.text(), reader.text(), schema)

    def knows(self, channel: int) -> bool:
        """Whether the channel and its schema have been read."""
        found = self.channels.get(channel)
        return found is not None and (found.schema == 0 or found.schema in self.schemas)

    def msgtype(self, channel: Channel) -> str:
        """The type; with the encoding in brackets where it is none of ROS 2."""
        name, kind = self.schemas.get(channel.schema, ("", ""))
        encoding = channel.encoding or FORMATS.get(kind, "unknown encoding")
        if name.count("/") == 1:
            name = name.replace("/", "/msg/")
        return name if encoding == "cdr" and name else f"{name or 'no type'} ({encoding})"


class Fields:
    """Reads the fields of a record in turn. Raises BagError where they end early.

    at: offset of the next one.
    """

    def __init__(self, data: bytes) -> None:
        self._data, self.at = data, 0

    def number(self, size: int) -> int:
        """A whole number of that many bytes."""
        return int.from_bytes(self.bytes(size), "little")

    def text(self) -> str:
        """A string that is stored with its length first."""
        return self.bytes(self.number(4)).decode("utf-8", "replace")

    def bytes(self, size: int) -> bytes:
        """That many bytes."""
        data = self._data[self.at : self.at + size]
        if len(data) < size:
            raise BagError(f"a record ends after {len(self._data)} bytes")
        self.at += size
        return data


class Chunk(NamedTuple):
    """The head of a chunk. at, packed: place and size of its data. size: unpacked. crc: 0 if none.

    whole: whether the data reaches as far as stated.
    """

    first_ns: int
    size: int
    crc: int
    compression: str
    at: int
    packed: int
    whole: bool


def chunk_of(source: Bytes, record: Record) -> Chunk:
    """The head of a chunk record. Raises BagError if even that is not whole."""
    fields = Fields(source.read(record.at, min(MOST_CHUNK_HEAD, record.length)))
    first_ns, _, size, crc = CHUNK_HEADER.unpack(fields.bytes(CHUNK_HEADER.size))
    compression, packed = fields.text(), fields.number(8)
    at = record.at + fields.at
    there = min(packed, record.end - at)
    return Chunk(
        first_ns=first_ns,
        size=size,
        crc=crc,
        compression=compression,
        at=at,
        packed=there,
        whole=record.whole and there == packed,
    )
