# SPDX-License-Identifier: Apache-2.0
"""What the memory of events covers, gives and forgets, to the nanosecond."""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from segrgbx_ros.pairing.memory import EventMemory

sys.path.insert(0, str(Path(__file__).parent))
from event_chunks import chunk, times


def memory(*packets: tuple[int, int, Sequence[int]], **told: Any) -> EventMemory:
    made = EventMemory()
    for first, last, at in packets:
        made.add(chunk(at, **told), (first, last), 0)
    return made


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


def test_what_is_covered_never_begins_earlier_again() -> None:
    """The second packet lies within the first, and leaves after it."""
    held = memory((0, 20, [1]), (5, 8, [6]), (21, 30, [25]))
    assert held.forget_before(0, 1) == (0, 2)
    assert (held.start_ns, held.missing_ns(10, 25)) == (21, 11)
