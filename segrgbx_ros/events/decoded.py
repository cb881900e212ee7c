# SPDX-License-Identifier: Apache-2.0
"""What every event format decodes to, and what every decoder of one can do."""

from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

Bytes = npt.NDArray[np.uint8]
NS_PER_US = 1000


@dataclass(frozen=True)
class Triggers:
    """Edges on the sensor's trigger input.

    t_ns: (M,) int64 nanoseconds on the sensor's clock. rising: (M,) bool. channel: (M,) uint8
    number of the input.
    """

    t_ns: npt.NDArray[np.int64]
    rising: npt.NDArray[np.bool_]
    channel: npt.NDArray[np.uint8]


NO_TRIGGERS = Triggers(np.empty(0, np.int64), np.empty(0, np.bool_), np.empty(0, np.uint8))


@dataclass(frozen=True)
class Decoded:
    """The content of one packet, in the order of its bytes.

    x, y: (N,) uint16 pixels. polarity: (N,) bool, True where it became brighter. t_ns: (N,) int64
    nanoseconds on the sensor's clock, without wraps. first_ns, last_ns: the time the packet
    covers on that clock, None where it says none. unplaced: events whose time, row or column the
    stream had not yet told. unknown: words of a kind the format does not define. truncated: the
    data breaks off within a word or an event.
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
    """A decoder of one encoding, which may remember what earlier packets said."""

    host_clock: bool
    """Whether the sensor's times already are times of the host's clock."""

    def decode(self, payload: Bytes, time_base_ns: int, big_endian: bool) -> Decoded:
        """The content of the next packet."""
        ...

    def resume(self) -> None:
        """Packets are missing before the next one: forget what they may have changed."""
        ...


def decoded(
    x: npt.NDArray[np.uint16],
    y: npt.NDArray[np.uint16],
    polarity: npt.NDArray[np.bool_],
    t_ns: npt.NDArray[np.int64],
    truncated: bool,
) -> Decoded:
    """Of a format whose time is told by its events alone."""
    first, last = (int(t_ns.min()), int(t_ns.max())) if len(t_ns) else (None, None)
    return Decoded(x, y, polarity, t_ns, first, last, truncated=truncated)
