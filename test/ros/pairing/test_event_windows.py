# SPDX-License-Identifier: Apache-2.0
"""Events and their images: cases by hand, and properties of any stream."""

from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rosbags.rosbag2 import Reader

from segrgbx_core.errors import InputError
from segrgbx_core.readings import Events
from segrgbx_ros.events.packets import EventChunk, EventDecoder
from segrgbx_ros.pairing.memory import SensorClock
from segrgbx_ros.pairing.nearest import Pair
from segrgbx_ros.pairing.windows import EventWindows, EventWindowSettings

MS = 1_000_000
START = 1_000_000 * MS
SENSOR = 7_000 * MS


def chunk(
    at_ms: float,
    times_ms: list[float] | None = None,
    length_ms: float = 10,
    delay_ms: float = 0,
    **changes: Any,
) -> EventChunk:
    """A packet that covers at_ms to at_ms + length_ms after START, on its own clock.

    The x of an event is its millisecond, modulo 1000.
    """
    times = np.array([] if times_ms is None else times_ms, np.float64)
    made = EventChunk(
        stamp_ns=START + round((at_ms + delay_ms) * MS),
        x=(times % 1000).astype(np.uint16),
        y=np.zeros(len(times), np.uint16),
        polarity=np.ones(len(times), np.bool_),
        t_ns=np.round(times * MS).astype(np.int64) + SENSOR,
        width=1000,
        height=10,
        first_ns=SENSOR + round(at_ms * MS),
        last_ns=SENSOR + round((at_ms + length_ms) * MS),
        seq=round(at_ms / 10) + 1,
    )
    return replace(made, **changes)


def every_ms(first: int, last: int) -> list[EventChunk]:
    """Packets of 10 ms with one event each millisecond, from first to before last."""
    return [chunk(at, [at + k for k in range(10)]) for at in range(first, last, 10)]


def taken(pairs: list[Pair[str, Events]]) -> list[list[int]]:
    return [[] if p.x is None else sorted(p.x.x.tolist()) for p in pairs]


def windows(**changes: Any) -> EventWindows[str]:
    return EventWindows(EventWindowSettings(duration_ns=20 * MS, **changes))


def stamp(ms: float) -> int:
    return START + round(ms * MS)


def test_window_ends_before_the_stamp_and_waits_for_a_packet_beyond_it() -> None:
    gather = windows()
    first, second, third, fourth = every_ms(0, 40)
    for packet in (first, second):
        assert gather.add_packet(packet) == []
    assert gather.add_rgb(stamp(25), "image") == []
    (pair,) = gather.add_packet(third)
    assert taken([pair]) == [list(range(5, 25))]
    assert pair.x is not None
    assert (pair.rgb_stamp_ns, pair.x_stamp_ns, pair.skew_ns) == (stamp(25), stamp(25), 0)
    assert (pair.x.start_ns, pair.x.end_ns, pair.x.complete) == (stamp(5), stamp(25), True)
    assert (pair.x.t_ns[0], pair.x.width, pair.x.height) == (stamp(5), 1000, 10)
    assert gather.add_packet(fourth) == []


def test_an_image_that_comes_late_is_decided_at_once() -> None:
    gather = windows()
    for packet in every_ms(0, 100):
        gather.add_packet(packet)
    assert taken(gather.add_rgb(stamp(50), "image")) == [list(range(30, 50))]
    assert taken(gather.add_rgb(stamp(60), "overlap")) == [list(range(40, 60))]


def test_overlapping_windows_share_their_events() -> None:
    """Windows of 20 ms every 8 ms, long after the memory started to drop packets."""
    gather = windows(jump_ns=30 * MS)
    pairs: list[Pair[str, Events]] = []
    images = list(range(30, 400, 8))
    for packet in every_ms(0, 420):
        pairs += gather.add_packet(packet)
        while images and stamp(images[0]) < packet.stamp_ns:
            pairs += gather.add_rgb(stamp(images.pop(0)), "image")
    assert taken(pairs) == [list(range(ms - 20, ms)) for ms in range(30, 400, 8)]
    assert all(p.x is not None and p.x.complete for p in pairs)


def test_window_by_count() -> None:
    gather = windows(count=5)
    for packet in every_ms(0, 50):
        gather.add_packet(packet)
    (pair,) = gather.add_rgb(stamp(30), "image")
    assert taken([pair]) == [[25, 26, 27, 28, 29]]
    assert pair.x is not None
    assert pair.x.start_ns == stamp(25)
    (pair,) = EventWindows[str].add_rgb(gather, stamp(45), "next")
    assert taken([pair]) == [[40, 41, 42, 43, 44]]


def test_window_by_count_minds_only_gaps_within_itself() -> None:
    gather = windows(count=5)
    first, _, third, fourth = every_ms(0, 40)
    for packet in (first, replace(third, after_loss=True), fourth):
        gather.add_packet(packet)
    late, early = gather.add_rgb(stamp(28), "a"), gather.add_rgb(stamp(31), "b")
    assert taken(late + early) == [[23, 24, 25, 26, 27], [26, 27, 28, 29, 30]]
    assert [p.x.complete for p in late + early if p.x] == [True, True]


def test_flush_takes_what_is_there_and_says_it_is_not_whole() -> None:
    gather = windows()
    for packet in every_ms(0, 20):
        gather.add_packet(packet)
    assert gather.add_rgb(stamp(30), "image") == []
    (pair,) = gather.flush()
    assert taken([pair]) == [list(range(10, 20))]
    assert pair.x is not None
    assert not pair.x.complete
    assert pair.skew_ns == -10 * MS
    assert gather.event_counts.incomplete == 1


def test_a_dead_sensor_does_not_hold_images_for_ever() -> None:
    heard: list[tuple[int, str, str]] = []
    gather: EventWindows[str] = EventWindows(
        EventWindowSettings(timeout_ns=100 * MS), lambda *unpaired: heard.append(unpaired)
    )
    for ms in range(0, 300, 50):
        assert gather.add_rgb(stamp(ms), f"{ms}") == []
    assert [rgb for _, rgb, _ in heard] == ["0", "50", "100"]
    assert gather.settle_until(stamp(200)) == []
    assert [rgb for _, rgb, _ in heard] == ["0", "50", "100", "150", "200"]
    assert gather.counts.rgb_dropped == {"rgb_without_x": 5}
    assert gather.counts.rgb_pending == 1


def test_a_sensor_that_sees_no_change_is_told_from_a_dead_one() -> None:
    gather = windows()
    for at in range(0, 60, 10):
        gather.add_packet(chunk(at))
    assert gather.add_rgb(stamp(40), "quiet") == []
    assert gather.add_rgb(stamp(200), "dead") == []
    assert gather.flush() == []
    assert gather.counts.rgb_dropped == {"rgb_without_events": 1, "rgb_without_x": 1}


def test_lost_packets_make_the_windows_they_touch_incomplete() -> None:
    gather = windows()
    packets = every_ms(0, 200)
    packets[8] = replace(packets[8], after_loss=True)
    del packets[7]
    pairs: list[Pair[str, Events]] = []
    for packet in packets:
        pairs += gather.add_packet(packet)
    for ms in (60, 70, 71, 99, 100, 120):
        pairs += gather.add_rgb(stamp(ms), f"{ms}")
    complete = {p.rgb: p.x.complete for p in pairs if p.x is not None}
    # Nothing is known from 70 to 80.
    expected = {"60": True, "70": True, "71": False, "99": False, "100": True, "120": True}
    assert complete == expected


def test_tolerance_takes_small_gaps() -> None:
    for tolerance, complete in ((10 * MS - 2, False), (10 * MS - 1, True)):
        gather = windows(tolerance_ns=tolerance)
        first, _, third, fourth, fifth = every_ms(0, 50)
        for packet in (first, replace(third, after_loss=True), fourth, fifth):
            gather.add_packet(packet)
        (pair,) = gather.add_rgb(stamp(27), "image")
        assert pair.x is not None
        assert pair.x.complete is complete


def test_truncated_packet_leaves_a_gap_up_to_the_next() -> None:
    gather = windows()
    first, second, third, fourth = every_ms(0, 40)
    cut = replace(second, truncated=True, last_ns=SENSOR + 15 * MS)
    for packet in (first, cut, third, fourth):
        gather.add_packet(packet)
    pairs = gather.add_rgb(stamp(30), "touched") + gather.add_rgb(stamp(40), "after")
    assert [p.x.complete for p in pairs if p.x] == [False, True]


def test_a_window_before_the_first_packet_is_not_whole() -> None:
    gather = windows()
    for packet in every_ms(0, 50):
        gather.add_packet(packet)
    pairs = gather.add_rgb(stamp(-5), "before")
    pairs += gather.add_rgb(stamp(15), "begun") + gather.add_rgb(stamp(20), "whole")
    assert [(p.rgb, p.x.complete) for p in pairs if p.x] == [("begun", False), ("whole", True)]


def test_offset_moves_the_events() -> None:
    gather = windows(x_time_offset_ns=-3 * MS)
    for packet in every_ms(0, 60):
        gather.add_packet(packet)
    assert taken(gather.add_rgb(stamp(25), "image")) == [list(range(8, 28))]
    gather.retune(30 * MS, 0)
    for packet in every_ms(60, 120):
        gather.add_packet(packet)
    assert taken(gather.add_rgb(stamp(100), "image")) == [list(range(80, 100))]


def test_time_that_jumps_back_starts_again() -> None:
    gather = windows()
    pairs: list[Pair[str, Events]] = []
    for _ in range(2):
        for packet in every_ms(0, 3000):
            pairs += gather.add_packet(packet)
            now = (packet.stamp_ns - START) // MS
            if now % 500 == 100:
                pairs += gather.add_rgb(packet.stamp_ns, "image")
    pairs += gather.flush()
    assert len(pairs) == 12
    assert {len(p.x.x) for p in pairs if p.x} == {20}
    assert gather.restarts == 1


def test_another_sensor_size_starts_again() -> None:
    gather = windows()
    for packet in every_ms(0, 30):
        gather.add_packet(packet)
    for packet in every_ms(30, 60):
        gather.add_packet(replace(packet, width=1280, height=720))
    (pair,) = gather.add_rgb(stamp(45), "image")
    assert pair.x is not None
    assert (pair.x.width, pair.x.complete, gather.restarts) == (1280, False, 1)


def test_bad_packets_are_counted_by_reason() -> None:
    gather = windows()
    good = chunk(0, [1, 2])
    for packet in (
        good,
        good,
        replace(good, stamp_ns=0),
        replace(chunk(10), first_ns=None, last_ns=None),
    ):
        gather.add_packet(packet)
    assert gather.counts.x_dropped == {
        "duplicate_x": 1,
        "invalid_x_stamp": 1,
        "x_without_events": 1,
    }
    assert (gather.counts.x_in, gather.counts.x_pending) == (4, 1)


def test_rgb_stamps_are_refused_as_in_pairing() -> None:
    gather = windows()
    for packet in every_ms(0, 100):
        gather.add_packet(packet)
    for ms in (50, 50, 40):
        gather.add_rgb(stamp(ms), "image")
    gather.add_rgb(0, "no stamp")
    assert gather.counts.rgb_dropped == {
        "duplicate_rgb": 1,
        "late_rgb": 1,
        "invalid_rgb_stamp": 1,
    }


def test_memory_is_bounded_by_time_and_by_events() -> None:
    gather = windows()
    for packet in every_ms(0, 10_000):
        gather.add_packet(packet)
    # Held: one second for late images, and the window before it.
    assert gather.counts.x_pending <= 103
    crowded = windows(max_events=50)
    for packet in every_ms(0, 1000):
        crowded.add_packet(packet)
    assert crowded.counts.x_pending == 5
    assert crowded.counts.x_dropped == {"x_queue_full": 95}
    (pair,) = crowded.add_rgb(stamp(960), "reaches too far back")
    assert pair.x is not None
    assert not pair.x.complete


def test_too_many_waiting_images() -> None:
    gather = windows(queue_size=2, timeout_ns=10_000 * MS)
    for packet in every_ms(0, 30):
        gather.add_packet(packet)
    pairs: list[Pair[str, Events]] = []
    for ms in (35, 45, 55, 65):
        pairs += gather.add_rgb(stamp(ms), f"{ms}")
    assert [p.rgb for p in pairs] == ["35", "45"]
    assert gather.counts.rgb_pending == 2


def test_packets_that_arrive_after_their_window_are_counted() -> None:
    gather = windows()
    gather.add_packet(chunk(0, list(range(10)), delay_ms=50))
    gather.add_rgb(stamp(55), "decided too early")
    # The next packet has no delay and shows that the clocks are 50 ms nearer.
    gather.add_packet(chunk(10, [10, 11, 12]))
    assert gather.event_counts.late_events == 3


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"duration_ns": 0}, "0 ns long"),
        ({"count": 0}, "holds 0 events"),
        ({"queue_size": 0}, "queue size is 0"),
        ({"timeout_ns": -1}, "timeout_ns -1"),
        ({"tolerance_ns": -1}, "tolerance_ns -1"),
        ({"max_events": 0}, "max_events 0"),
    ],
)
def test_settings_out_of_bounds(changes: dict[str, int], sentence: str) -> None:
    with pytest.raises(InputError, match=sentence):
        EventWindowSettings(**changes)


@settings(max_examples=60, deadline=None)
@given(
    times=st.lists(st.integers(0, 400), max_size=80),
    cuts=st.sets(st.integers(1, 399), max_size=12),
    delays=st.lists(st.integers(0, 8), min_size=13, max_size=13),
    images_first=st.booleans(),
    phase=st.integers(0, 19),
)
def test_consecutive_windows_take_every_event_once(
    times: list[int], cuts: set[int], delays: list[int], images_first: bool, phase: int
) -> None:
    """Packets of any length and delay; consecutive windows of 20 ms."""
    borders = [0, *sorted(cuts), 401]
    packets = [
        chunk(a, sorted(t for t in times if a <= t < b), b - a - 1, seq=i + 1, delay_ms=delays[i])
        for i, (a, b) in enumerate(pairwise(borders))
    ]
    # Each packet keeps the estimate of the clock offset from its arrival.
    clock = SensorClock()
    mapped = [
        t
        for p in packets
        for t in (p.t_ns + clock.offset_ns(p.stamp_ns, p.first_ns or 0, False)).tolist()
    ]
    stamps = [stamp(phase + 20 * k) for k in range(1, 22)]
    gather = windows(queue_size=30, timeout_ns=10_000 * MS)
    pairs: list[Pair[str, Events]] = []
    for late in (False, True):
        if late == images_first:
            for packet in packets:
                pairs += gather.add_packet(packet)
        else:
            for s in stamps:
                pairs += gather.add_rgb(s, "image")
    pairs += gather.flush()
    gathered = sorted(t for p in pairs if p.x is not None for t in p.x.t_ns.tolist())
    expected = sorted(t for t in mapped if stamp(phase) <= t < stamps[-1])
    if images_first:
        # A packet with less delay than earlier ones may arrive after the decision on its window.
        assert len(expected) - len(gathered) <= gather.event_counts.late_events
        assert set(gathered) <= set(expected)
        assert len(gathered) <= len(expected)
    else:
        assert gathered == expected
    for p in pairs:
        assert p.x is not None
        assert ((p.x.t_ns >= p.x.start_ns) & (p.x.t_ns < p.x.end_ns)).all()
    counts = gather.counts
    assert counts.rgb_in == counts.paired + sum(counts.rgb_dropped.values())
    assert counts.x_pending == 0


@pytest.mark.shared_data
@pytest.mark.parametrize(
    ("name", "count"), [("evt3_640x480", 343_474), ("libcaer_rollover", 334_331)]
)
def test_real_recording_is_partitioned(shared_data: Path, name: str, count: int) -> None:
    gather: EventWindows[str] = EventWindows(EventWindowSettings(duration_ns=50 * MS))
    pairs: list[Pair[str, Events]] = []
    total, next_stamp = 0, 0
    with Reader(shared_data / "events" / name) as bag:
        decoder = EventDecoder("/e", bag.connections[0].msgtype)
        for _, _, data in bag.messages():
            packet = decoder.decode(bytes(data))
            next_stamp = next_stamp or packet.stamp_ns
            while next_stamp < packet.stamp_ns:
                pairs += gather.add_rgb(next_stamp, "image")
                next_stamp += 50 * MS
            pairs += gather.add_packet(packet)
            total += len(packet)
    pairs += gather.add_rgb(next_stamp, "image") + gather.add_rgb(next_stamp + 50 * MS, "last")
    pairs += gather.flush()
    assert total == count
    assert sum(len(p.x) for p in pairs if p.x) == count
    # Except the first, which begins before the recording, and those at its end.
    assert sum(not p.x.complete for p in pairs if p.x) <= 3
    assert gather.event_counts.late_events == gather.event_counts.clock_restarts == 0
