# SPDX-License-Identifier: Apache-2.0
"""The result type and the interface of all event decoders."""

from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

Payload = npt.NDArray[np.uint8]
NS_PER_US = 1000


@dataclass(frozen=True)
class Triggers:
    """Edges on the sensor's trigger input.

    t_ns: (M,) int64 nanoseconds on the sensor's clock. rising: (M,) bool. channel: (M,) uint8,
    number of the input.
    """

    t_ns: npt.NDArray[np.int64]
    rising: npt.NDArray[np.bool_]
    channel: npt.NDArray[np.uint8]


NO_TRIGGERS = Triggers(np.empty(0, np.int64), np.empty(0, np.bool_), np.empty(0, np.uint8))


@dataclass(frozen=True)
class Decoded:
    """The content of one packet, in the order of its bytes.

    x, y: (N,) uint16 pixels. polarity: (N,) bool, True for an increase in brightness. t_ns: (N,)
    int64 nanoseconds on the sensor's clock, with wraps resolved. first_ns, last_ns: time range of
    the packet on that clock, None if it states none. unplaced: number of events before the stream
    set their time, row or column. unknown: number of words of an undefined kind. truncated: the
    data ends within a word or an event.
    """

    x: npt.NDArray[np.uint16]
    y: npt.NDArray[np.uint16]
    polarity: npt.NDArray[np.bool_]
    t_ns: npt.NDArray[np.int64]
    first_ns: int | None = None
    last_ns: int | None = None
    triggers: Triggers = NO_TRIGGERS
    unplaced: int = 0
    unknown: int = 0
    truncated: bool = False


class PacketFormat(Protocol):
    """A decoder of one encoding; it may keep state from earlier packets."""

    host_clock: bool
    """Whether the sensor's times are already on the host's clock."""

    def decode(self, payload: Payload, time_base_ns: int, big_endian: bool) -> Decoded:
        """Decodes the next packet; payload: (B,) uint8."""
        ...

    def resume(self) -> None:
        """Forgets the state that packets missing before the next one may have changed."""
        ...


def decoded(
    x: npt.NDArray[np.uint16],
    y: npt.NDArray[np.uint16],
    polarity: npt.NDArray[np.bool_],
    t_ns: npt.NDArray[np.int64],
    truncated: bool,
) -> Decoded:
    """The content of a packet whose time range is that of its events."""
    first, last = (int(t_ns.min()), int(t_ns.max())) if len(t_ns) else (None, None)
    return Decoded(x, y, polarity, t_ns, first, last, truncated=truncated)
