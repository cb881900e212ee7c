# SPDX-License-Identifier: Apache-2.0
"""A recording's messages to pairs: images and clouds by nearest stamp, events by windows."""

from collections import Counter
from dataclasses import dataclass
from typing import Protocol, TypeAlias, cast

from rosbags.serde import SerdeError

from segrgbx_core.errors import BagError
from segrgbx_core.wording import counted
from segrgbx_ros.bags.metadata import BagMessage
from segrgbx_ros.events.packets import TOGETHER, EventDecoder
from segrgbx_ros.messages.images import AnyImage, stamp_ns
from segrgbx_ros.messages.readings import XInput
from segrgbx_ros.messages.types import typestore
from segrgbx_ros.pairing.nearest import Pair, Pairing, PairingCounts, PairingSettings
from segrgbx_ros.pairing.windows import EventWindows, EventWindowSettings


@dataclass(frozen=True)
class ArrivedRgb:
    """An RGB message whose pixels are still as recorded."""

    msg: AnyImage
    log_time_ns: int


ReplayPair: TypeAlias = Pair[ArrivedRgb, XInput]


class ReplayPairing(Protocol):
    """What a replay needs of either way to pair.

    missed, way_out: what to say where no frame at all finds an X, and what may help.
    """

    missed: str
    way_out: str
    unreadable: Counter[str]
    first_problem: dict[str, str]
    first_x_ns: int | None

    @property
    def counts(self) -> PairingCounts:
        """What has happened so far."""
        ...

    def add_rgb(self, stamp: int, rgb: ArrivedRgb) -> list[ReplayPair]:
        """The pairs this image completes."""
        ...

    def add_x(self, message: BagMessage) -> list[ReplayPair]:
        """The pairs this message completes; one that cannot be read is counted."""
        ...

    def flush(self) -> list[ReplayPair]:
        """Decide everything that waits: the end of the recording."""
        ...

    def notes(self) -> list[str]:
        """What a reader of the figures should know."""
        ...


class NearestX:
    """Images and clouds: the X nearest in time."""

    def __init__(self, settings: PairingSettings) -> None:
        self._pairing: Pairing[ArrivedRgb, XInput] = Pairing(settings)
        self.missed = f"could be paired within {settings.slop_ns / 1e9} s"
        self.way_out = "raise --slop or give --x-time-offset"
        self.unreadable: Counter[str] = Counter()
        self.first_problem: dict[str, str] = {}
        self.first_x_ns: int | None = None

    @property
    def counts(self) -> PairingCounts:
        """See ReplayPairing."""
        return self._pairing.counts

    def add_rgb(self, stamp: int, rgb: ArrivedRgb) -> list[ReplayPair]:
        """See ReplayPairing."""
        return self._pairing.add_rgb(stamp, rgb)

    def add_x(self, message: BagMessage) -> list[ReplayPair]:
        """See ReplayPairing."""
        try:
            msg = typestore().deserialize_cdr(message.data, message.msgtype)
        except SerdeError:
            self.unreadable["unreadable_x_message"] += 1
            return []
        x = cast(AnyImage, msg)
        stamp = stamp_ns(x.header)
        self.first_x_ns = stamp if self.first_x_ns is None else self.first_x_ns
        return self._pairing.add_x(stamp, x)

    def flush(self) -> list[ReplayPair]:
        """See ReplayPairing."""
        return self._pairing.flush()

    def notes(self) -> list[str]:
        """See ReplayPairing."""
        return []


class WindowedEvents:
    """Events: the window of time that ends at the RGB stamp."""

    def __init__(self, topic: str, msgtype: str, settings: EventWindowSettings) -> None:
        self._decoder = EventDecoder(topic, msgtype)
        self._undecoded: list[bytes] = []
        self._windows: EventWindows[ArrivedRgb] = EventWindows(settings)
        self.missed = f"has an event in the {settings.duration_ns / 1e6:g} ms before its stamp"
        self.way_out = "give --x-time-offset, or a longer --window-ms"
        self._restarts = 0
        self.unreadable: Counter[str] = Counter()
        self.first_problem: dict[str, str] = {}
        self.first_x_ns: int | None = None

    @property
    def counts(self) -> PairingCounts:
        """See ReplayPairing; X counts packets."""
        return self._windows.counts

    def add_rgb(self, stamp: int, rgb: ArrivedRgb) -> list[ReplayPair]:
        """See ReplayPairing."""
        return [*self._decoded(), *self._windows.add_rgb(stamp, rgb)]

    def add_x(self, message: BagMessage) -> list[ReplayPair]:
        """See ReplayPairing; decoded some together, and before the next image at the latest."""
        self._undecoded.append(message.data)
        return self._decoded() if len(self._undecoded) >= TOGETHER else []

    def _decoded(self) -> list[ReplayPair]:
        done: list[ReplayPair] = []
        for chunk in self._decoder.decode_all(self._undecoded):
            if isinstance(chunk, BagError):
                self.unreadable["unreadable_x_message"] += 1
                self.first_problem.setdefault("unreadable_x_message", str(chunk))
                continue
            self.first_x_ns = chunk.stamp_ns if self.first_x_ns is None else self.first_x_ns
            done += self._windows.add_packet(chunk)
        self._undecoded.clear()
        return done

    def flush(self) -> list[ReplayPair]:
        """See ReplayPairing."""
        return [*self._decoded(), *self._windows.flush()]

    def notes(self) -> list[str]:
        """See ReplayPairing."""
        counts, windows = self._decoder.counts, self._windows.event_counts
        said = []
        if windows.incomplete:
            said.append(
                f"{windows.incomplete} of {counted(self.counts.paired, 'event window')} hold less "
                "than the sensor saw, since packets are missing or the recording begins within "
                "them; --set use_incomplete=true takes them as they are."
            )
        if counts.lost_packets:
            said.append(
                f"{counted(counts.lost_packets, 'event packet')} missing by the sequence numbers."
            )
        if counts.truncated_packets:
            broken = counted(
                counts.truncated_packets, "event packet breaks", "event packets break"
            )
            said.append(f"{broken} off within an event; the events before are used.")
        if counts.outside_events or counts.unknown_words:
            said.append(
                f"{counted(counts.outside_events, 'event')} outside the sensor's size and "
                f"{counted(counts.unknown_words, 'unknown word')} were left out."
            )
        return said
