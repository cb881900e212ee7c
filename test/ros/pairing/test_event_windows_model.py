# SPDX-License-Identifier: Apache-2.0
"""Event windows against a slow reference that sees all packets at once, nanosecond by nanosecond.

Packets and images each come in the order of their stamps; between the two any order is allowed.
"""

from collections import Counter
from dataclasses import dataclass, field

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from segrgbx_core.readings import Events
from segrgbx_ros.events.packets import EventChunk
from segrgbx_ros.pairing.nearest import Pair
from segrgbx_ros.pairing.windows import EventWindows, EventWindowSettings

JUMP = 10_000
FIRST = 100_000
LONG = 10**9


@dataclass(frozen=True)
class Packet:
    """The time it covers, both ends included, and its events."""

    first: int
    last: int
    times: tuple[int, ...]
    after_loss: bool
    truncated: bool


@dataclass(frozen=True)
class Window:
    """What the window of an image must be."""

    rgb: int
    start: int
    times: list[int]
    complete: bool
    x_stamp: int


@dataclass(frozen=True)
class Stretch:
    """A time without a jump; places: before which packet each image arrives."""

    packets: list[Packet]
    images: list[int]
    places: list[int]


@dataclass
class Outcome:
    windows: list[Window] = field(default_factory=list)
    dropped: Counter[str] = field(default_factory=Counter)


def covered(packets: list[Packet]) -> set[int]:
    """Each nanosecond of which the events are known, as far as the packets tell."""
    known: set[int] = set()
    for n, packet in enumerate(packets):
        known |= set(range(packet.first, packet.last + 1))
        before = packets[n - 1] if n else packet
        if n and not packet.after_loss and not before.truncated:
            known |= set(range(before.last, packet.first))
    return known


def expected(stretch: Stretch, duration: int, count: int | None, tolerance: int) -> Outcome:
    made = Outcome()
    known = covered(stretch.packets)
    times = sorted(t for packet in stretch.packets for t in packet.times)
    needed: set[int] = set()
    for rgb in stretch.images:
        start = rgb - duration
        if not known & set(range(start, rgb)):
            made.dropped["rgb_without_x"] += 1
            continue
        inside = [t for t in times if start <= t < rgb]
        needed |= set(inside)
        if not inside:
            made.dropped["rgb_without_events"] += 1
            continue
        if count is not None and len(inside) > count:
            start = inside[-count]
            inside = [t for t in inside if t >= start]
        missing = set(range(start, rgb)) - known
        complete = len(missing) <= tolerance
        made.windows.append(Window(rgb, start, inside, complete, min(rgb, max(known))))
    made.dropped["x_unused"] = sum(not needed & set(p.times) for p in stretch.packets)
    return made


def chunk(packet: Packet, seq: int, offset: int) -> EventChunk:
    times = np.array(packet.times, np.int64)
    return EventChunk(
        stamp_ns=packet.first - offset + 5,
        x=(times % 640).astype(np.uint16),
        y=(times % 7).astype(np.uint16),
        polarity=times % 2 == 0,
        t_ns=times - offset,
        width=640,
        height=480,
        first_ns=packet.first - offset,
        last_ns=packet.last - offset,
        host_clock=True,
        seq=seq,
        after_loss=packet.after_loss,
        truncated=packet.truncated,
    )


@st.composite
def stretches(draw: st.DrawFn) -> list[Stretch]:
    made = []
    for n in range(draw(st.integers(1, 2))):
        at = FIRST - n * 3 * JUMP
        packets = []
        for gap, length, spots, lost, cut in draw(
            st.lists(
                st.tuples(
                    st.integers(0, 12),
                    st.integers(0, 15),
                    st.lists(st.integers(0, 15), max_size=5),
                    st.sampled_from([False, False, True]),
                    st.sampled_from([False, False, True]),
                ),
                min_size=1,
                max_size=8,
            )
        ):
            first = at + gap
            at = first + length
            times = tuple(first + min(spot, length) for spot in spots)
            packets.append(Packet(first, at, times, lost, cut))
        begin = FIRST - n * 3 * JUMP
        images = draw(st.sets(st.integers(begin - 5, at + 25), min_size=1, max_size=8))
        places = draw(
            st.lists(st.integers(0, len(packets)), min_size=len(images), max_size=len(images))
        )
        made.append(Stretch(packets, sorted(images), sorted(places)))
    return made


def play(gather: EventWindows[int], parts: list[Stretch], offset: int) -> list[Pair[int, Events]]:
    pairs: list[Pair[int, Events]] = []
    for part in parts:
        waiting = list(zip(part.places, part.images, strict=True))
        for n, packet in enumerate([*part.packets, None]):
            while waiting and waiting[0][0] <= n:
                image = waiting.pop(0)[1]
                pairs += gather.add_rgb(image, image)
            if packet is not None:
                pairs += gather.add_packet(chunk(packet, n + 1, offset))
    return pairs + gather.flush()


@given(
    parts=stretches(),
    duration=st.integers(1, 40),
    count=st.one_of(st.none(), st.integers(1, 4)),
    tolerance=st.integers(0, 6),
    offset=st.integers(-50, 50),
)
@settings(max_examples=300, deadline=None)
def test_windows_are_those_of_all_packets_at_once(
    parts: list[Stretch], duration: int, count: int | None, tolerance: int, offset: int
) -> None:
    told: EventWindowSettings = EventWindowSettings(
        duration, count, tolerance, 1000, LONG, offset, JUMP
    )
    alone: list[int] = []
    gather: EventWindows[int] = EventWindows(told, lambda _stamp, rgb, _why: alone.append(rgb))
    pairs = play(gather, parts, offset)
    outcomes = [expected(part, duration, count, tolerance) for part in parts]
    windows = [window for outcome in outcomes for window in outcome.windows]
    assert [as_window(pair) for pair in pairs] == windows
    assert all(pair.x is not None and pair.x.end_ns == pair.rgb_stamp_ns for pair in pairs)
    images = {image for part in parts for image in part.images}
    assert alone == sorted(images - {w.rgb for w in windows}, key=alone.index)
    dropped = sum((outcome.dropped for outcome in outcomes), Counter[str]())
    assert gather.counts.dropped == dict(+dropped)
    assert gather.counts.x_pending == gather.counts.rgb_pending == 0
    assert gather.event_counts.incomplete == sum(not w.complete for w in windows)
    assert gather.event_counts.late_events == gather.event_counts.clock_restarts == 0
    assert gather.restarts == len(parts) - 1


def as_window(pair: Pair[int, Events]) -> Window:
    """The pair as a Window; each event must still have the place and polarity of its time."""
    assert pair.x is not None
    assert pair.x_stamp_ns is not None
    events = pair.x
    assert np.array_equal(events.x, events.t_ns % 640)
    assert np.array_equal(events.y, events.t_ns % 7)
    assert np.array_equal(events.polarity, events.t_ns % 2 == 0)
    return Window(
        pair.rgb, events.start_ns, sorted(events.t_ns.tolist()), events.complete, pair.x_stamp_ns
    )
