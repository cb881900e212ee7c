# SPDX-License-Identifier: Apache-2.0
"""What the memory of events covers, gives and forgets, to the nanosecond."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from segrgbx_core.readings import Events
from segrgbx_ros.events.packets import EventChunk
from segrgbx_ros.pairing.memory import EventMemory, SensorClock
from segrgbx_ros.pairing.windows import EventWindows, EventWindowSettings

MS = 1_000_000
BASE = 1_000


def chunk(times: Sequence[int], **told: Any) -> EventChunk:
    """Events at those times; x counts them, and no event is outside 8 x 4 pixels."""
    count = len(times)
    return EventChunk(
        stamp_ns=told.pop("stamp_ns", 1),
        x=np.arange(count, dtype=np.uint16),
        y=np.arange(count, dtype=np.uint16) % 4,
        polarity=np.arange(count) % 2 == 0,
        t_ns=np.array(times, np.int64),
        width=8,
        height=4,
        first_ns=told.pop("first_ns", None),
        last_ns=told.pop("last_ns", None),
        **told,
    )


def memory(*packets: tuple[int, int, Sequence[int]], **told: Any) -> EventMemory:
    made = EventMemory()
    for first, last, times in packets:
        made.add(chunk(times, **told), (first, last), 0)
    return made


def times(events: Events | None) -> list[int] | None:
    return None if events is None else sorted(events.t_ns.tolist())


def test_a_window_includes_its_start_and_excludes_its_end() -> None:
    held = memory((0, 100, [9, 10, 19, 20]))
    events = held.window(10, 20, 0)
    assert events is not None
    assert times(events) == [10, 19]
    assert events.x.tolist() == [1, 2]
    assert events.y.tolist() == [1, 2]
    assert events.polarity.tolist() == [False, True]
    assert (events.start_ns, events.end_ns, events.complete) == (10, 20, True)
    assert (events.width, events.height) == (8, 4)
    assert times(held.window(9, 21, 0)) == [9, 10, 19, 20]
    assert times(held.window(20, 21, 0)) == [20]


@pytest.mark.parametrize(
    ("start", "end", "missing"),
    [
        (50, 60, 0),
        (49, 60, 1),
        (40, 50, 10),
        (40, 51, 10),
        (90, 100, 0),
        (90, 101, 0),
        (90, 102, 1),
        (101, 110, 9),
        (0, 200, 149),
    ],
)
def test_covered_are_both_ends_of_the_packets(start: int, end: int, missing: int) -> None:
    held = memory((50, 70, [60]), (80, 100, [90]))
    assert (held.start_ns, held.end_ns) == (50, 100)
    assert held.missing_ns(start, end) == missing


def test_nothing_is_covered_without_a_packet() -> None:
    assert EventMemory().missing_ns(3, 10) == 7
    assert EventMemory().window(3, 10, 0) is None


@pytest.mark.parametrize("lost", [True, False])
def test_a_loss_leaves_the_time_between_its_packets_open(lost: bool) -> None:
    held = memory((0, 10, []))
    held.add(chunk([], after_loss=lost), (20, 30), 0)
    assert held.missing_ns(0, 31) == (9 if lost else 0)
    assert held.missing_ns(10, 11) == 0
    assert held.missing_ns(11, 12) == int(lost)
    assert held.missing_ns(19, 20) == int(lost)
    assert held.missing_ns(20, 21) == 0


def test_packets_that_touch_leave_nothing_open() -> None:
    held = memory((0, 10, []))
    for first in (10, 11):
        held.add(chunk([], after_loss=True), (first, first), 0)
    assert held.missing_ns(0, 12) == 0
    held.add(chunk([], after_loss=True), (5, 8), 0)
    assert (held.start_ns, held.end_ns, held.missing_ns(0, 12)) == (0, 11, 0)


def test_only_the_packet_after_a_cut_one_leaves_a_gap() -> None:
    held = memory((0, 10, []), truncated=True)
    held.add(chunk([]), (20, 30), 0)
    held.add(chunk([]), (40, 50), 0)
    assert held.missing_ns(0, 51) == 9


def test_no_window_where_nothing_of_it_is_covered() -> None:
    held = memory((50, 100, []))
    assert held.window(40, 50, 0) is None
    assert times(held.window(40, 51, 0)) == []
    assert times(held.window(100, 110, 0)) == []
    assert held.window(101, 110, 0) is None


def test_tolerance_counts_the_missing_nanoseconds() -> None:
    held = memory((50, 100, []))
    for tolerance, complete in ((4, False), (5, True)):
        events = held.window(45, 60, tolerance)
        assert events is not None
        assert events.complete is complete


def test_used_is_a_packet_with_an_event_in_a_window() -> None:
    held = memory((0, 10, [5]), (11, 20, [15]), (21, 30, []))
    assert held.unused == 3
    held.window(0, 5, 0)
    held.window(6, 15, 0)
    assert held.unused == 3
    held.window(5, 6, 0)
    assert held.unused == 2
    held.window(0, 31, 0)
    assert held.unused == 1


def test_an_event_past_the_stated_time_is_found() -> None:
    """Packets may overlap, and their events be out of order."""
    held = memory((0, 10, [25, 3]), (11, 20, [1]))
    assert times(held.window(20, 30, 0)) == [25]
    assert held.window(21, 30, 0) is None
    assert times(held.window(0, 4, 0)) == [1, 3]
    assert held.end_ns == 20


def test_the_offset_is_added_to_events_and_to_the_covered_time() -> None:
    held = EventMemory()
    held.add(chunk([3]), (0, 10), 100)
    assert (held.start_ns, held.end_ns, held.events) == (100, 110, 1)
    assert times(held.window(103, 104, 0)) == [103]


def test_forgotten_is_what_ends_before_the_stamp() -> None:
    held = memory((0, 10, [5]), (11, 20, [15, 16]), (21, 30, [25]))
    assert held.forget_before(10, 100) == (0, 0)
    assert held.forget_before(11, 100) == (1, 0)
    assert (held.start_ns, held.events, held.unused) == (11, 3, 2)
    held.window(15, 16, 0)
    assert held.forget_before(31, 100) == (1, 0)
    assert (held.events, held.unused) == (0, 0)
    assert held.window(20, 30, 0) is None


def test_too_many_events_drop_the_oldest_packets_but_never_the_last() -> None:
    held = memory((0, 10, [5]), (11, 20, [15, 16]), (21, 30, [25, 26, 27]))
    assert held.forget_before(0, 6) == (0, 0)
    assert held.forget_before(0, 5) == (0, 1)
    held.window(15, 16, 0)
    assert held.forget_before(0, 1) == (0, 0)
    assert held.events == 3
    assert times(held.window(21, 31, 0)) == [25, 26, 27]


def test_a_window_from_the_end_of_a_dropped_packet_is_not_complete() -> None:
    """The dropped packet may have had events in its last nanosecond, as here."""
    held = memory((0, 10, [10]), (10, 20, [15]))
    assert held.forget_before(0, 1) == (0, 1)
    for start, complete in ((10, False), (11, True)):
        events = held.window(start, 20, 0)
        assert times(events) == [15]
        assert events is not None
        assert events.complete is complete


def test_gaps_before_the_held_time_are_forgotten() -> None:
    held = memory((0, 10, [5]))
    for first in range(20, 2000, 20):
        held.add(chunk([first], after_loss=True), (first, first + 10), 0)
        held.forget_before(first - 10, 100)
    assert len(held._gaps) <= 2
    assert held.missing_ns(1970, 1991) == 9


def test_the_clock_falls_at_once_and_rises_by_100_ppm() -> None:
    clock = SensorClock()
    assert clock.offset_ns(BASE * MS + 7, 0, False) == BASE * MS + 7
    assert clock.offset_ns(BASE * MS + 10 * MS, 10 * MS, False) == BASE * MS
    assert clock.offset_ns(BASE * MS + 60 * MS, 20 * MS, False) == BASE * MS + 1000
    assert clock.offset_ns(BASE * MS + 60 * MS, 15 * MS, False) == BASE * MS + 1000
    assert clock.offset_ns(BASE * MS + 60 * MS, 25 * MS, False) == BASE * MS + 2000
    assert clock.restarts == 0


@pytest.mark.parametrize("sign", [1, -1])
def test_the_clock_starts_again_past_the_jump(sign: int) -> None:
    for beyond, restarts in ((0, 0), (1, 1)):
        clock = SensorClock(jump_ns=100)
        clock.offset_ns(BASE * MS, 0, False)
        shifted = BASE * MS + sign * (100 + beyond)
        offset = clock.offset_ns(shifted, 0, False)
        assert clock.restarts == restarts
        assert offset == (BASE * MS if not beyond and sign > 0 else shifted)


def test_the_jump_of_a_clock_is_a_second_unless_told() -> None:
    for difference, restarts in ((1_000 * MS, 0), (1_000 * MS + 1, 1)):
        clock = SensorClock()
        clock.offset_ns(BASE * MS, 0, False)
        clock.offset_ns(BASE * MS - difference, 0, False)
        assert clock.restarts == restarts


@pytest.mark.parametrize(("delay_ns", "trusted"), [(100 * MS, True), (100 * MS + 1, False)])
def test_the_hosts_clock_is_trusted_within_100_ms(delay_ns: int, trusted: bool) -> None:
    clock = SensorClock()
    first = BASE * MS
    assert clock.offset_ns(first + delay_ns, first, True) == (0 if trusted else delay_ns)
    later = clock.offset_ns(first + 10 * MS + 7, first + 10 * MS, True)
    assert later == (0 if trusted else 7)
    earlier = SensorClock().offset_ns(first - delay_ns, first, True)
    assert earlier == (0 if trusted else -delay_ns)


def test_a_forgotten_clock_trusts_nothing_of_the_old_time() -> None:
    clock = SensorClock()
    clock.offset_ns(BASE * MS, BASE * MS, True)
    clock.forget()
    assert clock.offset_ns(50, 20, False) == 30
    assert clock.offset_ns(2 * MS, 1 * MS, False) == 30 + 100
    assert clock.restarts == 0


def test_a_clock_that_starts_again_is_trusted_anew() -> None:
    clock = SensorClock()
    clock.offset_ns(2 * BASE * MS, 0, False)
    assert clock.offset_ns(5 * BASE * MS, 5 * BASE * MS, True) == 0
    assert clock.restarts == 1
    assert clock.offset_ns(5 * BASE * MS + 3, 5 * BASE * MS, True) == 0


def gathered(duration: int = 20, **told: Any) -> EventWindows[int]:
    told = {"timeout_ns": 10**9, "jump_ns": 100, **told}
    return EventWindows(EventWindowSettings(duration_ns=duration, **told))


def add(gather: EventWindows[int], first: int, last: int, *at: int, **told: Any) -> list[int]:
    """A packet on the host's clock; returns the images that it completes."""
    made = chunk(at, stamp_ns=first, first_ns=first, last_ns=last, host_clock=True, **told)
    return [pair.rgb for pair in gather.add_packet(made)]


def test_an_image_is_decided_when_a_packet_reaches_its_stamp() -> None:
    gather = gathered()
    assert gather.add_rgb(1000, 1) == []
    assert add(gather, 985, 999, 990) == []
    assert add(gather, 1000, 1000) == [1]


@pytest.mark.parametrize(("later", "decided"), [(100, False), (101, True)])
def test_an_image_older_than_the_newest_by_more_than_the_timeout(
    later: int, decided: bool
) -> None:
    gather = gathered(timeout_ns=100)
    add(gather, 985, 990, 987)
    assert gather.add_rgb(1000, 1) == []
    assert [p.rgb for p in gather.add_rgb(1000 + later, 2)] == ([1] if decided else [])


@pytest.mark.parametrize(("back", "restarts"), [(100, 0), (101, 1)])
def test_a_step_back_past_the_jump_starts_windows_again(back: int, restarts: int) -> None:
    gather = gathered()
    add(gather, 1000, 1010)
    add(gather, 1000 - back, 1010 - back)
    assert gather.restarts == restarts
    gather = gathered()
    gather.add_rgb(1000, 1)
    gather.add_rgb(1000 - back, 2)
    assert gather.restarts == restarts


def test_a_packet_without_a_stamp_is_no_step_back() -> None:
    gather = gathered()
    add(gather, 1000, 1010, 1005)
    for stamp in (0, -5):
        gather.add_packet(chunk([3], stamp_ns=stamp, first_ns=3, last_ns=4))
    assert gather.restarts == 0
    assert gather.counts.x_dropped == {"invalid_x_stamp": 2}
    gather.add_packet(chunk([3], stamp_ns=1, first_ns=3, last_ns=4))
    assert gather.restarts == 1


def test_another_height_alone_is_another_sensor() -> None:
    gather = gathered()
    add(gather, 1000, 1010)
    made = chunk([], stamp_ns=1011, first_ns=1011, last_ns=1012)
    gather.add_packet(replace(made, height=5))
    assert gather.restarts == 1


def test_twice_is_the_same_number_and_the_same_stamp() -> None:
    gather = gathered()
    add(gather, 1000, 1010, seq=4)
    add(gather, 1000, 1010, seq=4)
    add(gather, 1001, 1010, seq=4)
    add(gather, 1001, 1010, seq=5)
    add(gather, 1001, 1010, seq=None)
    add(gather, 1001, 1010, seq=None)
    add(gather, 1002, 1010, seq=0)
    add(gather, 1002, 1010, seq=0)
    assert gather.counts.x_dropped == {"duplicate_x": 1}


def test_a_refused_packet_is_not_the_one_to_compare_with() -> None:
    gather = gathered()
    add(gather, 1000, 1010, seq=4)
    gather.add_packet(chunk([], stamp_ns=2000, seq=5))
    add(gather, 1000, 1010, seq=4)
    assert gather.counts.x_dropped == {"x_without_events": 1, "duplicate_x": 1}
    assert gather.restarts == 0


def test_packets_are_held_for_images_that_come_up_to_the_jump_late() -> None:
    """A window of 20 that ends 100 before the newest event."""
    gather = gathered()
    for first in range(1000, 1300, 10):
        add(gather, first, first + 9, first)
    held = gather.counts
    # To 1299: needed is from 1299 - 100 - 20, and 1170 to 1179 reaches there.
    assert (held.x_pending, held.x_dropped) == (13, {"x_unused": 17})
    (pair,) = gather.add_rgb(1199, 1)
    assert pair.x is not None
    assert pair.x.complete
    assert times(pair.x) == [1180, 1190]


def test_late_are_events_before_the_last_decision() -> None:
    gather = gathered()
    add(gather, 980, 1000, 990)
    assert [p.rgb for p in gather.add_rgb(1000, 1)] == [1]
    add(gather, 995, 1010, 998, 999, 1000, 1001)
    assert gather.event_counts.late_events == 2
    add(gather, 996, 1010, 999)
    assert gather.event_counts.late_events == 3


def test_late_is_told_on_the_clock_with_its_offset() -> None:
    gather = gathered(x_time_offset_ns=-5)
    add(gather, 980, 1005, 990)
    assert [p.rgb for p in gather.add_rgb(1000, 1)] == [1]
    add(gather, 1000, 1010, 1004, 1005)
    assert gather.event_counts.late_events == 1


def test_counts_go_on_over_a_restart() -> None:
    gather = gathered()
    for at in (1000, 500, 1):
        add(gather, at, at + 5, at + 2)
        gather.add_rgb(at + 5, at)
        add(gather, at + 5, at + 9)
    gather.flush()
    counts = gather.counts
    assert (counts.rgb_in, counts.x_in, counts.paired) == (3, 6, 3)
    assert counts.x_dropped == {"x_unused": 3}
    assert gather.restarts == 2
    assert gather.event_counts.incomplete == 3


def test_a_flush_empties_the_memory() -> None:
    gather = gathered()
    add(gather, 980, 1000, 990)
    gather.flush()
    gather.add_rgb(1000, 1)
    assert gather.flush() == []
    assert gather.counts.rgb_dropped == {"rgb_without_x": 1}
    assert gather.counts.x_dropped == {"x_unused": 1}


def test_the_oldest_of_too_many_images_is_settled_with_its_reason() -> None:
    heard: list[tuple[int, int, str]] = []
    told = EventWindowSettings(duration_ns=20, queue_size=2, timeout_ns=10**9)
    gather: EventWindows[int] = EventWindows(told, lambda *unpaired: heard.append(unpaired))
    for stamp in (1000, 1010, 1020):
        assert gather.add_rgb(stamp, stamp + 1) == []
    assert heard == [(1000, 1001, "rgb_queue_full")]
    assert gather.counts.rgb_dropped == {"rgb_queue_full": 1}
    assert gather.counts.rgb_pending == 2
