# SPDX-License-Identifier: Apache-2.0
"""Messages of several parts of a recording in one order of time, and what was lost on the way."""

import heapq
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

from segrgbx_ros.bags.metadata import BagMessage

MOST_HELD = 1 << 28


@dataclass
class Damage:
    """Messages or parts that could not be read: how many, and the first in words."""

    places: int = 0
    first: str = ""

    def add(self, what: str, count: int = 1) -> None:
        """Counts that many, of which `what` describes the first."""
        self.places += count
        self.first = self.first or what.rstrip(".")


@dataclass(frozen=True)
class Part:
    """A part of a recording whose messages come in log-time order.

    first_ns: log time of its first message, or earlier. held: bytes of memory it takes while it
    is read.
    """

    first_ns: int
    messages: Callable[[], Iterator[BagMessage]]
    held: int = 0


@dataclass(order=True)
class _Head:
    """The next message of a part that has been opened."""

    log_time_ns: int
    number: int
    message: BagMessage = field(compare=False)
    rest: Iterator[BagMessage] = field(compare=False)
    held: int = field(compare=False)


def in_time_order(parts: Iterable[Part], most_held: int = MOST_HELD) -> Iterator[BagMessage]:
    """The messages of all parts in log-time order; of equal times, the earlier part's first.

    A part is opened when its time comes. Where more than `most_held` bytes of parts overlap, the
    later ones wait, and their earliest messages come late.
    """
    waiting = deque(sorted(enumerate(parts), key=lambda each: each[1].first_ns))
    heads: list[_Head] = []
    held = 0
    while waiting or heads:
        while waiting and (
            not heads or (waiting[0][1].first_ns <= heads[0].log_time_ns and held < most_held)
        ):
            number, part = waiting.popleft()
            rest = part.messages()
            if (first := next(rest, None)) is not None:
                heapq.heappush(heads, _Head(first.log_time_ns, number, first, rest, part.held))
                held += part.held
        if not heads:
            return
        head = heads[0]
        yield head.message
        if (following := next(head.rest, None)) is None:
            heapq.heappop(heads)
            held -= head.held
        else:
            head.log_time_ns, head.message = following.log_time_ns, following
            heapq.heapreplace(heads, head)
