# SPDX-License-Identifier: Apache-2.0
"""Reads recordings: sqlite3 and MCAP, a folder or a single file, complete or truncated.

Yields messages one at a time in log-time order; only the current chunk is held in memory.
"""

import sqlite3
import struct
import sys
from collections import Counter
from collections.abc import Collection, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

import apsw
from rosbags.interfaces import Connection
from rosbags.rosbag2 import Reader, ReaderError

from segrgbx_core.errors import BagError
from segrgbx_ros.bags.metadata import DATA_SUFFIXES, BagMessage, BagMetadata, read_metadata
from segrgbx_ros.bags.salvage import (
    McapSalvage,
    SqliteSalvage,
    is_mcap,
    is_sqlite,
    mcap_is_cut,
    sqlite_is_cut,
)

if sys.version_info >= (3, 14):
    from compression.zstd import ZstdError, decompress
else:
    from backports.zstd import ZstdError, decompress

# Raised by rosbags and its decoders for damaged recordings.
DAMAGE = (
    ReaderError,
    apsw.Error,
    sqlite3.Error,
    struct.error,
    ZstdError,
    EOFError,
    IndexError,
    KeyError,
    MemoryError,
    OverflowError,
    RuntimeError,
    TypeError,
    ValueError,
)


@dataclass(frozen=True)
class BagTopic:
    """One topic of a recording; count: number of readable messages."""

    name: str
    msgtype: str
    count: int


class BagReader:
    """A recording, open for reading.

    Raises BagError if the path does not exist or is not a recording, and for invalid metadata. A
    truncated file is read up to its last complete message; `loss` then reports it.
    """

    def __init__(self, path: Path) -> None:
        if not path.exists():
            raise BagError(f"{path} does not exist; check the path of the recording.")
        self.path = path
        self.metadata: BagMetadata | None = read_metadata(path) if path.is_dir() else None
        self.files = self.metadata.files if self.metadata else (path,)
        self.cut = tuple(file for file in self.files if _is_cut(file))
        self._stack = ExitStack()
        self._reader: Reader | None = None
        self._damage: str | None = None
        self._read: Counter[str] = Counter()
        self._asked: frozenset[str] = frozenset()
        self._ended = False
        self._salvaged_ns = 0
        if self.cut:
            self.topics = self._salvaged_topics()
        else:
            self._reader = self._open()
            self.topics = _topics_of(self._reader.connections)

    def __enter__(self) -> "BagReader":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stack.close()

    def topic(self, name: str) -> BagTopic | None:
        """The topic with that name; None if the recording does not have it."""
        return next((t for t in self.topics if t.name == name), None)

    def messages(self, topics: Collection[str]) -> Iterator[BagMessage]:
        """The messages of these topics in log-time order, up to the end or the first damage."""
        self._asked = frozenset(topics)
        self._read.clear()
        self._damage = None
        self._ended = False
        source = self._salvaged() if self._reader is None else self._logged(self._reader)
        for message in source:
            if message.topic in self._asked:
                self._read[message.topic] += 1
                yield message
        self._ended = True

    def first(self, topic: str) -> BagMessage | None:
        """The topic's first message; None if there is none."""
        source = self._salvaged() if self._reader is None else self._logged(self._reader, topic)
        message = next((m for m in source if m.topic == topic), None)
        self._damage = None
        return message

    @property
    def duration_s(self) -> float:
        """Seconds from the first to the last message; of the readable part if a file is cut."""
        if self._reader is not None:
            return max(0, self._reader.duration - 1) / 1e9
        return self._salvaged_ns / 1e9

    @property
    def loss(self) -> str | None:
        """One sentence about data that could not be read; None if no loss is known.

        Refers to the last call of `messages`. Lost messages are counted only after its end.
        """
        lost, expected = self._missing()
        share = f"{lost} of the {expected} messages on the topics used are lost"
        if self.cut:
            place = f"{self.cut[0].name} breaks off after {self.cut[0].stat().st_size} bytes"
            known = (
                share if lost else f"the {sum(self._read.values())} messages before it are read"
            )
            return f"{place}; {known}."
        if self._damage is not None:
            return f"The recording is damaged ({self._damage}); {share}."
        return f"{share}: metadata.yaml lists more than the file holds." if lost else None

    def _missing(self) -> tuple[int, int]:
        """Number of lost and of expected messages on the requested topics, as recorded."""
        if not self._ended:
            return 0, 0
        held = {t.name: t.count for t in self.topics}
        counts = self.metadata.counts if self.metadata else held
        expected = sum(counts.get(name, 0) for name in self._asked)
        return max(0, expected - sum(self._read.values())), expected

    def _open(self) -> Reader:
        if not self.path.is_dir() and self.path.suffix not in DATA_SUFFIXES:
            raise _no_recording(self.path)
        try:
            reader = Reader(self.path)
            reader.open()
        except DAMAGE as err:
            raise BagError(
                f"{self.path} cannot be read as a recording ({str(err).rstrip('.')}); check that "
                "it is whole, or record it again."
            ) from err
        except PermissionError as err:
            raise BagError(f"{self.path} cannot be read: permission is denied.") from err
        self._stack.callback(reader.close)
        return reader

    def _logged(self, reader: Reader, only: str | None = None) -> Iterator[BagMessage]:
        wanted = self._asked if only is None else {only}
        connections = [c for c in reader.connections if c.topic in wanted]
        if not connections:
            return
        try:
            for connection, log_time, data in reader.messages(connections):
                yield BagMessage(connection.topic, connection.msgtype, log_time, bytes(data))
        except DAMAGE as err:
            self._damage = f"{type(err).__name__}: {err}".rstrip(".")

    def _salvaged(self) -> Iterator[BagMessage]:
        for file in self.files:
            messages: Iterator[BagMessage] = (
                McapSalvage(file).messages() if is_mcap(file) else SqliteSalvage(file).messages()
            )
            for m in messages:
                data = m.data
                if self.metadata is not None and self.metadata.messages_compressed:
                    data = decompress(data)
                yield BagMessage(m.topic, m.msgtype, m.log_time_ns, data)

    def _salvaged_topics(self) -> tuple[BagTopic, ...]:
        """Topics and message counts, from a first pass over the truncated recording."""
        counts: Counter[tuple[str, str]] = Counter()
        first, last = sys.maxsize, 0
        for m in self._salvaged():
            counts[m.topic, m.msgtype] += 1
            first, last = min(first, m.log_time_ns), max(last, m.log_time_ns)
        self._salvaged_ns = max(0, last - first)
        if not counts:
            raise _nothing_left(self.cut[0])
        return tuple(BagTopic(name, kind, n) for (name, kind), n in sorted(counts.items()))


def _no_recording(path: Path) -> BagError:
    way_out = (
        "convert a ROS 1 bag with 'rosbags-convert'"
        if path.suffix == ".bag"
        else "expected a folder with metadata.yaml, or one .mcap or .db3 file"
    )
    return BagError(f"{path} is not a ROS 2 recording; {way_out}.")


def _nothing_left(file: Path) -> BagError:
    repair = ", or try SQLite's '.recover'" if is_sqlite(file) else ""
    return BagError(
        f"{file} breaks off after {file.stat().st_size} bytes, and no message can be read "
        f"without the rest; copy or record it again{repair}."
    )


def _is_cut(file: Path) -> bool:
    """Whether the data file is truncated. Raises BagError if it is not a recording."""
    if file.suffix not in DATA_SUFFIXES:
        return False
    if file.stat().st_size == 0:
        raise BagError(f"{file} is empty, 0 bytes; copy or record it again.")
    if is_mcap(file):
        return mcap_is_cut(file)
    if is_sqlite(file):
        return sqlite_is_cut(file)
    raise BagError(
        f"{file} has the name of a recording, but its content is neither MCAP nor sqlite3; check "
        "the file."
    )


def _topics_of(connections: Collection[Connection]) -> tuple[BagTopic, ...]:
    """One entry per topic; the messages of all connections of a topic are counted together."""
    counts: Counter[tuple[str, str]] = Counter()
    for c in connections:
        counts[c.topic, c.msgtype] += c.msgcount
    return tuple(BagTopic(name, kind, n) for (name, kind), n in sorted(counts.items()))
