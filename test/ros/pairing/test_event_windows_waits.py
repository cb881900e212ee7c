# SPDX-License-Identifier: Apache-2.0
"""When event windows are decided, start again and are counted: exact borders."""

import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from segrgbx_core.errors import InputError
from segrgbx_ros.pairing.windows import EventWindows, EventWindowSettings

sys.path.insert(0, str(Path(__file__).parent))
from event_chunks import chunk, times


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


def test_four_queues_of_image_stamps_are_known_again() -> None:
    gather = gathered(queue_size=1, jump_ns=10**6)
    for stamp in range(1000, 1500, 100):
        gather.add_rgb(stamp, stamp)
    gather.flush()
    for stamp in (1100, 1000):
        gather.add_rgb(stamp, stamp)
    assert gather.counts.rgb_dropped["duplicate_rgb"] == 1
    assert gather.counts.rgb_dropped["late_rgb"] == 1


def test_one_event_may_be_held_and_a_jump_of_nothing_may_not() -> None:
    EventWindowSettings(max_events=1)
    with pytest.raises(InputError, match="time jump is 0 ns"):
        EventWindowSettings(jump_ns=0)
