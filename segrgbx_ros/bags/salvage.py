# SPDX-License-Identifier: Apache-2.0
"""Reads truncated recordings: every message up to the last complete one.

MCAP: rosbags needs the end of the file, which is lost in a truncated one. This module reads the
records from the start instead (https://mcap.dev/spec). It recovers the complete messages of a
truncated chunk too.

sqlite3: SQLite refuses a file that is shorter than its header states, unless `writable_schema` is
on. The table is then read in the order of recording until a page is missing. SQLite moves the
start of a table as it grows, so a file cut in its first third may yield nothing.
"""

import os
import sqlite3
import struct
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import BinaryIO
from urllib.parse import quote

from lz4.frame import LZ4FrameDecompressor  # type: ignore[import-untyped,unused-ignore]

from segrgbx_ros.bags.metadata import BagMessage

if sys.version_info >= (3, 14):
    from compression.zstd import ZstdDecompressor, ZstdError
else:
    from backports.zstd import ZstdDecompressor, ZstdError

MCAP_MAGIC = b"\x89MCAP0\r\n"
SCHEMA, CHANNEL, MESSAGE, CHUNK, DATA_END = 0x03, 0x04, 0x05, 0x06, 0x0F
OPCODE_AND_LENGTH = struct.Struct("<BQ")
MESSAGE_HEADER = struct.Struct("<HIQQ")
CHUNK_HEADER = struct.Struct("<QQQI")


def is_mcap(path: Path) -> bool:
    """Whether the file starts with the magic bytes of MCAP."""
    with path.open("rb") as file:
        return file.read(len(MCAP_MAGIC)) == MCAP_MAGIC


def mcap_is_cut(path: Path) -> bool:
    """Whether an MCAP file lacks the magic bytes at its end."""
    with path.open("rb") as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(max(0, size - len(MCAP_MAGIC)))
        return size < 2 * len(MCAP_MAGIC) or file.read() != MCAP_MAGIC


def _records(data: bytes) -> Iterator[tuple[int, bytes]]:
    """(opcode, content) of each complete record."""
    at = 0
    while at + OPCODE_AND_LENGTH.size <= len(data):
        opcode, length = OPCODE_AND_LENGTH.unpack_from(data, at)
        at += OPCODE_AND_LENGTH.size
        if at + length > len(data):
            return
        yield opcode, data[at : at + length]
        at += length


def _file_records(file: BinaryIO) -> Iterator[tuple[int, bytes]]:
    """(opcode, content) of each record; a truncated last chunk is yielded as far as it goes."""
    file.seek(len(MCAP_MAGIC))
    while len(head := file.read(OPCODE_AND_LENGTH.size)) == OPCODE_AND_LENGTH.size:
        opcode, length = OPCODE_AND_LENGTH.unpack(head)
        content = file.read(length)
        if len(content) == length or opcode == CHUNK:
            yield opcode, content


def _text(data: bytes, at: int) -> tuple[str, int]:
    """A string that is stored with its length first, and the offset of its end."""
    (length,) = struct.unpack_from("<I", data, at)
    end = at + 4 + length
    return data[at + 4 : end].decode("utf-8", "replace"), end


def _chunk_content(data: bytes) -> bytes:
    """The decompressed records of a chunk, as far as its data reaches."""
    if len(data) < CHUNK_HEADER.size + 4:
        return b""
    compression, end = _text(data, CHUNK_HEADER.size)
    packed = data[end + 8 :]
    try:
        if compression == "zstd":
            return bytes(ZstdDecompressor().decompress(packed))
        if compression == "lz4":
            return bytes(LZ4FrameDecompressor().decompress(packed))
    except (ZstdError, RuntimeError):
        return b""
    return packed if compression == "" else b""


class McapSalvage:
    """Reads the messages of one MCAP file, complete or truncated, in the order of its chunks."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._types: dict[int, str] = {}
        self._channels: dict[int, tuple[str, str]] = {}

    def messages(self) -> Iterator[BagMessage]:
        """Yields all complete messages, in log-time order within each chunk."""
        with self._path.open("rb") as file:
            for opcode, content in _file_records(file):
                if opcode == DATA_END:
                    return
                if opcode == CHUNK:
                    inside = [self._message(*r) for r in _records(_chunk_content(content))]
                    messages = [m for m in inside if m is not None]
                    yield from sorted(messages, key=lambda m: m.log_time_ns)
                else:
                    one = self._message(opcode, content)
                    if one is not None:
                        yield one

    def _message(self, opcode: int, content: bytes) -> BagMessage | None:
        """Stores schemas and channels; returns the message if the record is one."""
        if opcode == SCHEMA:
            (number,) = struct.unpack_from("<H", content)
            self._types[number] = _text(content, 2)[0]
        elif opcode == CHANNEL:
            number, schema = struct.unpack_from("<HH", content)
            self._channels[number] = (_text(content, 4)[0], self._types.get(schema, ""))
        elif opcode == MESSAGE and len(content) >= MESSAGE_HEADER.size:
            number, _, log_time, _ = MESSAGE_HEADER.unpack_from(content)
            if number in self._channels:
                topic, msgtype = self._channels[number]
                return BagMessage(topic, msgtype, log_time, content[MESSAGE_HEADER.size :])
        return None


SQLITE_MAGIC = b"SQLite format 3\x00"
HEADER_BYTES = 100
QUERY = (
    "SELECT topics.name, topics.type, messages.timestamp, messages.data FROM messages "
    "CROSS JOIN topics ON topics.id = messages.topic_id ORDER BY messages.id"
)


def is_sqlite(path: Path) -> bool:
    """Whether the file starts with the magic bytes of SQLite."""
    with path.open("rb") as file:
        return file.read(len(SQLITE_MAGIC)) == SQLITE_MAGIC


def sqlite_is_cut(path: Path) -> bool:
    """Whether an SQLite file is shorter than its header states."""
    with path.open("rb") as file:
        head = file.read(HEADER_BYTES)
    if len(head) < HEADER_BYTES:
        return True
    page = int.from_bytes(head[16:18], "big")
    pages = int.from_bytes(head[28:32], "big")
    return path.stat().st_size < pages * (65536 if page == 1 else page)


class SqliteSalvage:
    """Reads the messages of one sqlite3 recording, complete or truncated, in recording order."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def messages(self) -> Iterator[BagMessage]:
        """Yields all messages up to the first missing page."""
        uri = f"file:{quote(str(self._path.resolve()))}?mode=ro&immutable=1"
        with closing(sqlite3.connect(uri, uri=True)) as database:
            try:
                database.execute("PRAGMA writable_schema=ON")
                for topic, msgtype, log_time, data in database.execute(QUERY):
                    yield BagMessage(topic, msgtype, log_time, data)
            except sqlite3.DatabaseError:
                return
