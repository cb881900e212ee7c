# SPDX-License-Identifier: Apache-2.0
"""Recordings whose X messages are lost or late."""

from collections.abc import Callable, Collection, Iterator
from dataclasses import replace
from heapq import heappop, heappush
from math import ceil
from pathlib import Path
from typing import TypeAlias

import numpy as np

from segrgbx_ros.bags.metadata import BagMessage
from segrgbx_ros.bags.reader import BagReader

Change: TypeAlias = Callable[[Iterator[BagMessage]], Iterator[BagMessage]]

_FEWEST_SPANS, _SPAN_S = 20, 1.0


class ChangedBag(BagReader):
    """A recording whose messages pass through a fault; what it lost is not the file's loss."""

    def __init__(self, path: Path, change: Change) -> None:
        super().__init__(path)
        self._change = change

    def messages(self, topics: Collection[str]) -> Iterator[BagMessage]:
        """See BagReader."""
        return self._change(super().messages(topics))


def dropped(topic: str, share: float, duration_s: float, seed: int) -> Change:
    """Loses the messages of that topic for a share of the time, in spans of about a second.

    duration_s: of the recording, of which a span is at most a twentieth. The spans of a smaller
    share are among those of a larger one.
    """
    count = max(_FEWEST_SPANS, ceil(duration_s / _SPAN_S))
    order = np.random.default_rng(seed).permutation(count)
    lost = frozenset(order[: round(share * count)].tolist())
    span_ns = max(1.0, duration_s * 1e9 / count)

    def change(messages: Iterator[BagMessage]) -> Iterator[BagMessage]:
        begun: int | None = None
        for message in messages:
            begun = message.log_time_ns if begun is None else begun
            span = min(count - 1, int((message.log_time_ns - begun) / span_ns))
            if message.topic != topic or span not in lost:
                yield message

    return change


def late(topic: str, seconds: float) -> Change:
    """Records the messages of that topic so much later, with the stamps that they have."""
    delay_ns = round(seconds * 1e9)

    def change(messages: Iterator[BagMessage]) -> Iterator[BagMessage]:
        held: list[tuple[int, int, BagMessage]] = []
        for number, message in enumerate(messages):
            while held and held[0][0] <= message.log_time_ns:
                yield heappop(held)[2]
            if message.topic != topic:
                yield message
                continue
            arrived = message.log_time_ns + delay_ns
            heappush(held, (arrived, number, replace(message, log_time_ns=arrived)))
        while held:
            yield heappop(held)[2]

    return change
