# SPDX-License-Identifier: Apache-2.0
"""Windows over arrays of events: by duration and by count, each event in one of them."""

from random import Random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from segrgbx_core.errors import InputError
from segrgbx_core.event_stream import WindowSettings, window, windows
from segrgbx_core.readings import Events


def events(times: list[int], start: int = 0, end: int = 1000) -> Events:
    """Each event's x is its place in the list."""
    count = len(times)
    return Events(
        x=np.arange(count, dtype=np.uint16),
        y=np.zeros(count, np.uint16),
        polarity=np.ones(count, np.bool_),
        t_ns=np.array(times, np.int64),
        width=1000,
        height=1,
        start_ns=start,
        end_ns=end,
    )


def test_window_by_duration_includes_its_start_and_not_its_end() -> None:
    taken = window(events([9, 10, 11, 19, 20, 21]), 20, WindowSettings(duration_ns=10))
    assert taken.t_ns.tolist() == [10, 11, 19]
    assert taken.x.tolist() == [1, 2, 3]
    assert (taken.start_ns, taken.end_ns) == (10, 20)


def test_window_by_count_takes_the_latest() -> None:
    stream = events([5, 1, 9, 3, 7])
    taken = window(stream, 9, WindowSettings(duration_ns=100, count=2))
    assert sorted(taken.t_ns.tolist()) == [5, 7]
    assert (taken.start_ns, taken.end_ns) == (5, 9)


def test_window_by_count_takes_all_of_the_earliest_time() -> None:
    taken = window(events([1, 2, 2, 2, 3]), 10, WindowSettings(duration_ns=100, count=2))
    assert taken.t_ns.tolist() == [2, 2, 2, 3]


def test_window_by_count_reaches_back_no_further_than_the_duration() -> None:
    taken = window(events([1, 50, 90]), 100, WindowSettings(duration_ns=20, count=3))
    assert taken.t_ns.tolist() == [90]
    assert taken.start_ns == 80


def test_windows_by_duration_end_with_the_reading() -> None:
    parts = list(windows(events([0, 10, 24], end=25), WindowSettings(duration_ns=10)))
    assert [(w.start_ns, w.end_ns, w.t_ns.tolist()) for w in parts] == [
        (0, 10, [0]),
        (10, 20, [10]),
        (20, 25, [24]),
    ]


def test_windows_by_count_end_where_the_next_begins() -> None:
    parts = list(windows(events([1, 2, 3, 4, 5], end=9), WindowSettings(count=2)))
    assert [(w.start_ns, w.end_ns, w.t_ns.tolist()) for w in parts] == [
        (0, 3, [1, 2]),
        (3, 5, [3, 4]),
        (5, 9, [5]),
    ]


@settings(max_examples=80, deadline=None)
@given(
    times=st.lists(st.integers(0, 999), max_size=60),
    duration=st.integers(7, 2000),
    count=st.none() | st.integers(1, 20),
)
def test_windows_partition_the_stream(times: list[int], duration: int, count: int | None) -> None:
    stream = events(times)
    parts = list(windows(stream, WindowSettings(duration, count)))
    assert sorted(x for w in parts for x in w.x.tolist()) == list(range(len(times)))
    assert [w.end_ns for w in parts[:-1]] == [w.start_ns for w in parts[1:]]
    assert (parts[0].start_ns, parts[-1].end_ns) == (0, 1000)
    for w in parts:
        assert ((w.t_ns >= w.start_ns) & (w.t_ns < w.end_ns)).all()
        if count is not None and times:
            assert len(w) > 0


def test_windows_by_count_hold_just_that_many_where_times_differ() -> None:
    parts = list(windows(events(list(range(100))), WindowSettings(count=7)))
    assert [len(w) for w in parts] == [*[7] * 14, 2]


@settings(max_examples=80, deadline=None)
@given(
    times=st.lists(st.integers(0, 99), max_size=60),
    order=st.randoms(),
    count=st.none() | st.integers(1, 20),
    end=st.integers(0, 120),
)
def test_order_does_not_matter(
    times: list[int], order: Random, count: int | None, end: int
) -> None:
    mixed = list(times)
    order.shuffle(mixed)
    limits = WindowSettings(40, count)
    a, b = window(events(times), end, limits), window(events(mixed), end, limits)
    assert sorted(a.t_ns.tolist()) == sorted(b.t_ns.tolist())
    assert a.start_ns == b.start_ns


def test_settings_out_of_bounds() -> None:
    with pytest.raises(InputError, match="0 ns long"):
        WindowSettings(duration_ns=0)
    with pytest.raises(InputError, match="holds 0 events"):
        WindowSettings(count=0)
