# SPDX-License-Identifier: Apache-2.0
"""Reads an MCAP file that breaks off: every record up to the last whole one.

rosbags starts from the file's end, which such a file has lost, so the records are walked from the
start here (https://mcap.dev/spec). Even within the chunk that the cut goes through, the messages
before it are recovered.
"""

import os
import struct
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from lz4.frame import LZ4FrameDecompressor  # type: ignore[import-untyped,unused-ignore]

from segrgbx_ros.bag_metadata import BagMessage

if sys.version_info >= (3, 14):
    from compression.zstd import ZstdDecompressor, ZstdError
else:
    from backports.zstd import ZstdDecompressor, ZstdError

MAGIC = b"\x89MCAP0\r\n"
SCHEMA, CHANNEL, MESSAGE, CHUNK, DATA_END = 0x03, 0x04, 0x05, 0x06, 0x0F
OPCODE_AND_LENGTH = struct.Struct("<BQ")
MESSAGE_HEADER = struct.Struct("<HIQQ")
CHUNK_HEADER = struct.Struct("<QQQI")


def is_mcap(path: Path) -> bool:
    """Whether the file begins as MCAP files do."""
    with path.open("rb") as file:
        return file.read(len(MAGIC)) == MAGIC


def is_cut(path: Path) -> bool:
    """Whether an MCAP file lacks the end that a finished one has."""
    with path.open("rb") as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(max(0, size - len(MAGIC)))
        return size < 2 * len(MAGIC) or file.read() != MAGIC


def _records(data: bytes) -> Iterator[tuple[int, bytes]]:
    """(opcode, content) of each whole record."""
    at = 0
    while at + OPCODE_AND_LENGTH.size <= len(data):
        opcode, length = OPCODE_AND_LENGTH.unpack_from(data, at)
        at += OPCODE_AND_LENGTH.size
        if at + length > len(data):
            return
        yield opcode, data[at : at + length]
        at += length


def _file_records(file: BinaryIO) -> Iterator[tuple[int, bytes]]:
    """(opcode, content) of each record; a last chunk that is not whole comes as far as it goes."""
    file.seek(len(MAGIC))
    while len(head := file.read(OPCODE_AND_LENGTH.size)) == OPCODE_AND_LENGTH.size:
        opcode, length = OPCODE_AND_LENGTH.unpack(head)
        content = file.read(length)
        if len(content) == length or opcode == CHUNK:
            yield opcode, content


def _text(data: bytes, at: int) -> tuple[str, int]:
    """A string with its length before it, and where it ends."""
    (length,) = struct.unpack_from("<I", data, at)
    end = at + 4 + length
    return data[at + 4 : end].decode("utf-8", "replace"), end


def _chunk_content(data: bytes) -> bytes:
    """The records within a chunk, uncompressed as far as its data reaches."""
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
    """The messages of one MCAP file, whole or cut, in the order of its chunks."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._types: dict[int, str] = {}
        self._channels: dict[int, tuple[str, str]] = {}

    def messages(self) -> Iterator[BagMessage]:
        """All messages that are whole; in order of log time within each chunk."""
        with self._path.open("rb") as file:
            for opcode, content in _file_records(file):
                if opcode == DATA_END:
                    return
                if opcode == CHUNK:
                    inside = [self._message(*r) for r in _records(_chunk_content(content))]
                    found = [m for m in inside if m is not None]
                    yield from sorted(found, key=lambda m: m.log_time_ns)
                else:
                    one = self._message(opcode, content)
                    if one is not None:
                        yield one

    def _message(self, opcode: int, content: bytes) -> BagMessage | None:
        """Learns schemas and channels on the way; a message where the record is one."""
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
