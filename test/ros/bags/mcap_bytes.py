# SPDX-License-Identifier: Apache-2.0
"""MCAP files written from the format's description (https://mcap.dev/spec), part by part.

rosbags writes one layout only; writers of other languages leave optional parts out.
"""

import struct
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from segrgbx_ros.bags.mcap_records import MCAP_MAGIC
from segrgbx_ros.messages.types import IMAGE

Message = tuple[int, int, bytes]
"""Channel, log time and data."""


def record(opcode: int, content: bytes) -> bytes:
    return struct.pack("<BQ", opcode, len(content)) + content


def text(value: str) -> bytes:
    return struct.pack("<I", len(value.encode())) + value.encode()


def schema(number: int = 1, name: str = IMAGE, encoding: str = "ros2msg") -> bytes:
    return record(3, struct.pack("<H", number) + text(name) + text(encoding) + text(""))


def channel(number: int, topic: str, schema_number: int = 1, encoding: str = "cdr") -> bytes:
    head = struct.pack("<HH", number, schema_number)
    return record(4, head + text(topic) + text(encoding) + text(""))


def message(sent: Message) -> bytes:
    number, log_ns, data = sent
    return record(5, struct.pack("<HIQQ", number, 0, log_ns, log_ns) + data)


def chunk(
    inside: bytes, times: Sequence[int], compression: str = "", packed: bytes = b""
) -> bytes:
    """packed: the data as stored; empty for `inside` itself."""
    data = packed or inside
    head = struct.pack("<QQQI", min(times), max(times), len(inside), zlib.crc32(inside))
    return record(6, head + text(compression) + struct.pack("<Q", len(data)) + data)


@dataclass(frozen=True)
class Layout:
    """Which optional parts a file has."""

    profile: str = "ros2"
    chunked: bool = True
    chunk_index: bool = True
    statistics: bool = True
    repeated: bool = True


TOPICS = ("/a", "/b")
NAMES = schema() + b"".join(channel(number, topic) for number, topic in enumerate(TOPICS, 1))


def write_mcap(path: Path, groups: Sequence[Sequence[Message]], layout: Layout) -> Path:
    """Each group becomes a chunk, where the layout has chunks; no file has message indexes."""
    body = MCAP_MAGIC + record(1, text(layout.profile) + text("by hand"))
    if not layout.chunked:
        body += NAMES
    indexes, sent = b"", [each for group in groups for each in group]
    for group in groups:
        inside = b"".join(message(each) for each in group)
        if not layout.chunked:
            body += inside
            continue
        times = [log_ns for _, log_ns, _ in group]
        block = chunk(NAMES + inside, times)
        size = len(NAMES + inside)
        place = struct.pack("<QQQQIQ", min(times), max(times), len(body), len(block), 0, 0)
        indexes += record(8, place + text("") + struct.pack("<QQ", size, size))
        body += block
    body += record(15, bytes(4))
    summary = NAMES if layout.repeated else b""
    if layout.statistics:
        summary += _statistics(sent, len(groups) if layout.chunked else 0)
    summary += indexes if layout.chunk_index else b""
    footer = struct.pack("<BQQQ", 2, 20, len(body) if summary else 0, 0)
    footer += struct.pack("<I", zlib.crc32(summary + footer))
    path.write_bytes(body + summary + footer + MCAP_MAGIC)
    return path


def _statistics(sent: Sequence[Message], chunks: int) -> bytes:
    times = [log_ns for _, log_ns, _ in sent]
    head = struct.pack(
        "<QHIIIIQQ", len(sent), 1, len(TOPICS), 0, 0, chunks, min(times), max(times)
    )
    numbers = range(1, len(TOPICS) + 1)
    counts = b"".join(struct.pack("<HQ", n, sum(c == n for c, _, _ in sent)) for n in numbers)
    return record(11, head + struct.pack("<I", len(counts)) + counts)
