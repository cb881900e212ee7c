# SPDX-License-Identifier: Apache-2.0
"""Reads recordings: sqlite3 and MCAP, a folder or a single file, complete or truncated.

Yields messages one at a time in log-time order. What `metadata.yaml` says is used for the names of
the files and the number of messages alone; the files' content decides what is read.
"""

from collections import Counter
from collections.abc import Collection, Iterator
from contextlib import ExitStack
from dataclasses import replace
from itertools import chain
from pathlib import Path
from types import TracebackType

from segrgbx_core.errors import BagError
from segrgbx_core.wording import counted
from segrgbx_ros.bags.files import DataFile, Opened, located, nothing_left, opened
from segrgbx_ros.bags.metadata import (
    METADATA_FILE,
    BagMessage,
    BagMetadata,
    BagTopic,
    read_metadata,
)
from segrgbx_ros.bags.order import Damage, Part, in_time_order
from segrgbx_ros.bags.span import LogSpan
from segrgbx_ros.bags.unpack import ZSTD_MAGIC, unpacked

__all__ = ["BagReader", "BagTopic"]


class BagReader:
    """A recording, open for reading.

    Raises BagError if the path does not exist or is not a recording, and for invalid metadata. A
    truncated file is read up to its last complete message, and what is damaged is passed over;
    `loss` then reports it. span: the slice that `messages` reads; None reads all.
    """

    def __init__(self, path: Path, span: LogSpan | None = None) -> None:
        if not path.exists():
            raise BagError(f"{path} does not exist; check the path of the recording.")
        self.path, self._span = path, span
        listed = path / METADATA_FILE
        self.metadata: BagMetadata | None = read_metadata(listed) if listed.is_file() else None
        place = located(path, self.metadata)
        self._missing_files = place.missing
        self._damage = Damage()
        self._read: Counter[str] = Counter()
        self._asked: frozenset[str] = frozenset()
        self._ended = False
        with ExitStack() as stack:
            self._refused: list[BagError] = []
            self._files = self._opened(place.files, stack)
            self.cut = tuple(file.path for file in self._files if file.cut)
            self.topics = self._topics()
            if self.cut and not any(topic.count for topic in self.topics):
                raise nothing_left(self.cut[0])
            self._stack = stack.pop_all()

    def _opened(self, files: Collection[Path], stack: ExitStack) -> list[Opened]:
        """The files that can be read; `loss` tells of the others, unless there are only those."""
        done = []
        for file in files:
            try:
                done.append(opened(file, stack))
            except BagError as err:
                self._refused.append(err)
        if not done:
            raise self._refused[0]
        return done

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
        """The messages of these topics in log-time order; `loss` tells what could not be read."""
        self._asked = frozenset(topics)
        self._read.clear()
        self._damage = Damage()
        self._ended = False
        before = () if self._span is None else self._span.before
        earlier = (message for message in before if message.topic in self._asked)
        for message in chain(earlier, self._stream(self._asked, self._damage, self._span)):
            self._read[message.topic] += 1
            yield message
        self._ended = self._span is None

    def first(self, topic: str) -> BagMessage | None:
        """The topic's first message; None if there is none."""
        held = self.topic(topic)
        if held is None or not held.count:
            return None
        return next(self._stream({topic}, Damage()), None)

    @property
    def duration_s(self) -> float:
        """Seconds from the first to the last message; of the readable part if a file is cut."""
        if self._span is not None:
            return (self._span.end_ns - self._span.start_ns) / 1e9
        ends = self.log_times
        return 0.0 if ends is None else max(0, ends[1] - ends[0]) / 1e9

    @property
    def log_times(self) -> tuple[int, int] | None:
        """Log times of the first and the last message, in nanoseconds; None without a message."""
        first = [f.data.first_ns for f in self._files if f.data.first_ns is not None]
        last = [f.data.last_ns for f in self._files if f.data.last_ns is not None]
        return (min(first), max(last)) if first and last else None

    @property
    def loss(self) -> str | None:
        """One sentence about data that could not be read; None if no loss is known.

        Refers to the last call of `messages`. Lost messages are counted only after its end, and
        not within a slice.
        """
        lost, expected = self._lost()
        read = self._read.total()
        share = f"{lost} of the {expected} messages on the topics used are lost"
        known = share if lost else f"{counted(read, 'message')} can be read"
        if self.cut:
            whole = f"the {read} messages before it are read"
            before = share if lost and self.metadata is not None else whole
            place = self.cut[0]
            return f"{place.name} breaks off after {place.stat().st_size} bytes; {before}."
        if self._missing_files:
            more = len(self._missing_files) - 1
            named = self._missing_files[0] + (f" and {counted(more, 'more file')}" if more else "")
            return f"{METADATA_FILE} names {named}, not in the folder; {known}."
        if self._refused:
            return f"{str(self._refused[0]).rstrip('.')}; {known}."
        if self._damage.places:
            more = self._damage.places - 1
            further = f", and {counted(more, 'further fault')}" if more else ""
            return f"The recording is damaged ({self._damage.first}{further}); {known}."
        if not lost:
            return None
        lists = METADATA_FILE if self.metadata is not None else "its own index"
        return f"{share}: {lists} lists more than the file holds."

    def _lost(self) -> tuple[int, int]:
        """Number of lost and of expected messages on the requested topics, as recorded."""
        if not self._ended:
            return 0, 0
        held: Counter[str] = Counter()
        for topic in self.topics:
            held[topic.name] += topic.count
        counts = self.metadata.counts if self.metadata else held
        lost = sum(max(0, counts.get(name, 0) - self._read[name]) for name in self._asked)
        return lost, sum(counts.get(name, 0) for name in self._asked)

    def _topics(self) -> tuple[BagTopic, ...]:
        """One entry a topic and type, of all files; those only listed have no message."""
        counts: Counter[tuple[str, str]] = Counter()
        for file in self._files:
            for topic in file.data.topics:
                counts[topic.name, topic.msgtype] += topic.count
        names = {name for name, _ in counts}
        listed = () if self.metadata is None else self.metadata.topics
        counts.update({(t.name, t.msgtype): 0 for t in listed if t.name not in names})
        return tuple(BagTopic(name, kind, n) for (name, kind), n in sorted(counts.items()))

    def _stream(
        self, topics: Collection[str], damage: Damage, span: LogSpan | None = None
    ) -> Iterator[BagMessage]:
        """The messages of all files, unpacked; a fault of any kind ends a file, never the run."""
        parts = (_part(file.data, topics, damage, span) for file in self._files)
        for message in in_time_order(parts):
            if span is not None and not span.holds(message.topic, message.log_time_ns):
                continue
            whole = _unpacked(message, damage)
            if whole is not None:
                yield whole


def _part(data: DataFile, topics: Collection[str], damage: Damage, span: LogSpan | None) -> Part:
    between = None if span is None else span.widest
    return Part(
        data.first_ns or 0, lambda: _guarded(data.messages(topics, damage, between), damage)
    )


def _guarded(messages: Iterator[BagMessage], damage: Damage) -> Iterator[BagMessage]:
    """The messages up to whatever a parser throws, which is counted."""
    try:
        yield from messages
    except Exception as err:  # noqa: BLE001
        damage.add(f"{type(err).__name__}: {err}")


def _unpacked(message: BagMessage, damage: Damage) -> BagMessage | None:
    """The message's CDR bytes; a recorder may compress each. CDR never starts as zstd does."""
    if not message.data.startswith(ZSTD_MAGIC):
        return message
    content = unpacked(message.data, "zstd")
    if content.fault is not None:
        damage.add(f"a message on {message.topic}: {content.fault}")
        return None
    return replace(message, data=bytes(content.data))
