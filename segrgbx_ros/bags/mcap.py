# SPDX-License-Identifier: Apache-2.0
"""Reads MCAP files: with or without chunks, indexes and profile, in any order, complete or cut.

What the summary at the end states is used where it is whole; otherwise the file is read from its
start. rosbags needs the summary, the message indexes and the profile, which are all optional.
"""

from array import array
from collections import Counter
from collections.abc import Collection, Iterator
from contextlib import ExitStack
from itertools import pairwise
from pathlib import Path

from segrgbx_core.errors import BagError
from segrgbx_core.files.disk import starts_with
from segrgbx_ros.bags.mcap_blocks import Blocks
from segrgbx_ros.bags.mcap_records import (
    CHANNEL,
    CHUNK,
    HEADER,
    MCAP_MAGIC,
    MESSAGE,
    MESSAGE_HEADER,
    SCHEMA,
    Bytes,
    Fields,
    FileBytes,
    Names,
    Record,
    record_at,
    records,
)
from segrgbx_ros.bags.mcap_summary import Block, summary_of
from segrgbx_ros.bags.metadata import BagMessage, BagTopic
from segrgbx_ros.bags.order import Damage, Part, in_time_order
from segrgbx_ros.bags.unpack import LARGE

LATEST_NS = (1 << 63) - 1


def is_mcap(path: Path) -> bool:
    """Whether the file starts with the magic bytes of MCAP."""
    return starts_with(path, MCAP_MAGIC)


class McapFile:
    """One MCAP file; path: as named in errors. It is open until the stack closes.

    Raises BagError for a file of ROS 1, or without any record.
    topics: with the number of readable messages. first_ns, last_ns: log times, None without a
    message. cut: whether the end is missing.
    """

    def __init__(self, place: Path, path: Path, stack: ExitStack) -> None:
        self._source = FileBytes(stack.enter_context(place.open("rb")))
        tail = self._source.read(self._source.size - len(MCAP_MAGIC), len(MCAP_MAGIC))
        self.cut = self._source.size < 2 * len(MCAP_MAGIC) or tail != MCAP_MAGIC
        summary = None if self.cut else summary_of(self._source)
        self._names = Names() if summary is None else summary.names
        self._blocks = Blocks(self._source, summary, self._names, self.cut)
        self.first_ns: int | None = None
        self.last_ns: int | None = None
        if summary is None:
            counts = self._counted()
        else:
            counts = Counter(summary.counts)
            if counts.total():
                self.first_ns, self.last_ns = summary.first_ns, summary.last_ns
        self.topics = tuple(
            BagTopic(channel.topic, self._names.msgtype(channel), counts[number])
            for number, channel in sorted(self._names.channels.items())
        )
        self._check(path)

    def messages(
        self, topics: Collection[str], damage: Damage, between: tuple[int, int] | None = None
    ) -> Iterator[BagMessage]:
        """See DataFile; chunks that lie outside by the file's index are left out."""
        named = {n: (c.topic, self._names.msgtype(c)) for n, c in self._names.channels.items()}
        wanted = {n: name for n, name in named.items() if name[0] in topics}
        blocks = self._blocks.all()
        if self._blocks.damage.places:
            damage.add(self._blocks.damage.first)

        def part(block: Block) -> Part:
            held = min(block.size, LARGE)
            return Part(block.first_ns, lambda: self._read(block, wanted, damage), held)

        yield from in_time_order(
            part(block)
            for block in blocks
            if block.channels is None or not block.channels.isdisjoint(wanted)
            if between is None or block.overlaps(*between)
        )

    def _counted(self) -> Counter[int]:
        """Messages by channel, from a first pass over the file."""
        counts: Counter[int] = Counter()
        for block in self._blocks.all():
            source, at, end = self._blocks.content(block, Damage())
            for record in records(source, at, end):
                if record.opcode == MESSAGE and record.whole:
                    self._count(source, record, counts)
                elif record.opcode in (SCHEMA, CHANNEL) and record.whole:
                    self._blocks.note(source, record, self._blocks.damage)
        return counts

    def _count(self, source: Bytes, record: Record, counts: Counter[int]) -> None:
        head = source.read(record.at, MESSAGE_HEADER.size)
        if len(head) == MESSAGE_HEADER.size <= record.length:
            number, _, log_ns, _ = MESSAGE_HEADER.unpack(head)
            log_ns = min(log_ns, LATEST_NS)
            counts[number] += 1
            self.first_ns = log_ns if self.first_ns is None else min(self.first_ns, log_ns)
            self.last_ns = log_ns if self.last_ns is None else max(self.last_ns, log_ns)

    def _check(self, path: Path) -> None:
        """The profile alone says nothing: writers may leave it empty."""
        if not self.topics and self._blocks.damage.places:
            raise BagError(
                f"{path} cannot be read as a recording ({self._blocks.damage.first}); check that "
                "it is whole, or record it again."
            )
        kinds = {topic.msgtype.partition(" (")[2] for topic in self.topics}
        if kinds == {"ros1)"} or (not kinds and self._profile() == "ros1"):
            raise BagError(
                f"{path} is an MCAP file of ROS 1; convert the bag that it was made from with "
                "'rosbags-convert'."
            )

    def _profile(self) -> str:
        first = record_at(self._source, len(MCAP_MAGIC), self._source.size)
        if first is None or first.opcode != HEADER:
            return ""
        try:
            return Fields(self._source.read(first.at, min(first.length, 64))).text()
        except BagError:
            return ""

    def _read(
        self, block: Block, wanted: dict[int, tuple[str, str]], damage: Damage
    ) -> Iterator[BagMessage]:
        """The block's messages in log-time order; of equal times, as they lie in the file."""
        source, start, end = self._blocks.content(block, damage)
        times, places = array("q"), array("q")
        for record in records(source, start, end):
            if not (record.whole and record.opcode) and not self.cut:
                damage.add(f"a record of the block at byte {block.start} is not whole")
            elif record.opcode == CHUNK:
                damage.add(f"the chunk at byte {block.start} has a chunk within")
            elif record.opcode == MESSAGE and record.length < MESSAGE_HEADER.size:
                damage.add(f"a message of {record.length} bytes has no head")
            elif record.opcode == MESSAGE and record.whole:
                head = source.read(record.at, MESSAGE_HEADER.size)
                number, _, log_ns, _ = MESSAGE_HEADER.unpack(head)
                if number in wanted:
                    times.append(min(log_ns, LATEST_NS))
                    places.append(record.start)
        in_order = all(before <= after for before, after in pairwise(times))
        numbers = range(len(times))
        for i in numbers if in_order else sorted(numbers, key=times.__getitem__):
            found = record_at(source, places[i], end)
            assert found is not None
            content = source.read(found.at, found.length)
            topic, msgtype = wanted[int.from_bytes(content[:2], "little")]
            yield BagMessage(topic, msgtype, times[i], content[MESSAGE_HEADER.size :])
