# SPDX-License-Identifier: Apache-2.0
"""Encoded events: values computed by hand, order, hot pixels, and refused readings."""

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from segrgbx_core.encoding import EventSettings, encode
from segrgbx_core.encoding.event import (
    REPRESENTATIONS,
    Representation,
    event_counts,
    latest_times,
    pixel_index,
    voxel_grid,
)
from segrgbx_core.errors import InputError
from segrgbx_core.readings import Events

Row = tuple[int, int, bool, int]
MS = 1_000_000
START = 1_700_000_000 * 1_000_000_000


def events(rows: list[Row], length_ms: float = 50, width: int = 8, height: int = 6) -> Events:
    """Rows of x, y, polarity and nanoseconds after the window's start."""
    x, y, polarity, t = zip(*rows, strict=True) if rows else ((), (), (), ())
    return Events(
        x=np.array(x, np.uint16),
        y=np.array(y, np.uint16),
        polarity=np.array(polarity, np.bool_),
        t_ns=np.array(t, np.int64) + START,
        width=width,
        height=height,
        start_ns=START,
        end_ns=START + round(length_ms * MS),
    )


def random_events(count: int, seed: int = 0, width: int = 64, height: int = 48) -> Events:
    rng = np.random.default_rng(seed)
    return Events(
        x=rng.integers(0, width, count).astype(np.uint16),
        y=rng.integers(0, height, count).astype(np.uint16),
        polarity=rng.random(count) < 0.5,
        t_ns=START + rng.integers(0, 50, count) * MS,
        width=width,
        height=height,
        start_ns=START,
        end_ns=START + 50 * MS,
    )


def shuffled(reading: Events, seed: int) -> Events:
    order = np.random.default_rng(seed).permutation(len(reading))
    return replace(
        reading,
        x=reading.x[order],
        y=reading.y[order],
        polarity=reading.polarity[order],
        t_ns=reading.t_ns[order],
    )


def test_voxel_grid_by_hand() -> None:
    reading = events(
        [(0, 0, True, 0), (1, 0, True, 25 * MS), (2, 0, False, 10 * MS), (3, 1, True, 40 * MS)]
    )
    grid = voxel_grid(reading, pixel_index(reading))
    # 10 ms of 50 lie at 0.4 of the way from the first to the second panel, 40 ms at 0.6 from the
    # second to the third.
    expected = np.zeros((3, 6, 8))
    expected[:, 0, 0] = [1, 0, 0]
    expected[:, 0, 1] = [0, 1, 0]
    expected[:, 0, 2] = [-0.6, -0.4, 0]
    expected[:, 1, 3] = [0, 0.4, 0.6]
    assert np.allclose(grid, expected, atol=1e-4)


def test_voxel_grid_keeps_the_sum_of_polarities() -> None:
    reading = random_events(5000)
    grid = voxel_grid(reading, pixel_index(reading))
    signs = np.where(reading.polarity, 1, -1)
    by_pixel = np.bincount(pixel_index(reading), signs, 64 * 48).reshape(48, 64)
    assert np.allclose(grid.sum(axis=0), by_pixel, atol=1e-5)


LINEAR = EventSettings(response="linear")


def test_voxel_planes_are_centred_on_no_change() -> None:
    rows: list[Row] = [(0, 0, True, 0), (1, 0, False, 0), (1, 0, False, 0)]
    planes = encode("event", events(rows), LINEAR)
    # The largest magnitude, two events, fills the range.
    assert planes.data[0, 0, :3].tolist() == [0.75, 0.0, 0.5]
    assert (planes.data[1:] == 0.5).all()
    assert planes.valid.all()
    assert planes.data.shape == (3, 6, 8)
    assert planes.data.dtype == np.float32


def test_one_event_alone_counts_as_one() -> None:
    planes = encode("event", events([(0, 0, True, 5 * MS)]), LINEAR)
    assert planes.data[:, 0, 0] == pytest.approx([0.9, 0.6, 0.5], abs=1e-4)


def test_the_logarithm_keeps_few_events_visible_beside_many() -> None:
    rows: list[Row] = [(0, 0, True, 0)] * 15 + [(1, 0, False, 0)] + [(2, 0, True, 0)]
    planes = encode("event", events(rows), EventSettings(hot_pixel_ratio=None))
    # 1 of 15 events: ln 2 / ln 16 is a quarter.
    assert planes.data[0, 0, :4] == pytest.approx([1.0, 0.375, 0.625, 0.5], abs=1e-5)
    assert (planes.data[1:] == 0.5).all()


def test_full_scale_is_the_same_in_every_frame() -> None:
    fixed = EventSettings(full_scale=4.0, response="linear")
    planes = encode("event", events([(0, 0, True, 0)] * 2 + [(1, 0, False, 0)] * 9), fixed)
    assert planes.data[0, 0, :3].tolist() == [0.75, 0.0, 0.5]


def test_a_few_busy_pixels_do_not_take_the_contrast_of_the_rest() -> None:
    rows: list[Row] = [(x, y, True, 0) for x in range(100) for y in range(100) for _ in range(2)]
    rows += [(5, 5, True, 0)] * 1000
    kept = EventSettings(hot_pixel_ratio=None)
    planes = encode("event", events(rows, width=100, height=100), kept)
    assert planes.data[0, 50, 50] == 1.0


def test_polarity_counts_by_hand() -> None:
    reading = events([(0, 0, True, 0), (0, 0, True, MS), (0, 0, False, 9 * MS), (1, 2, False, 0)])
    counts = event_counts(reading, pixel_index(reading))
    assert counts[:, 0, 0].tolist() == [2, 1]
    assert counts[:, 2, 1].tolist() == [0, 1]
    settings = EventSettings(representation="polarity_counts", full_scale=3.0)
    planes = encode("event", reading, settings)
    expected = [math.log(3) / math.log(4), 0.5, 9 / 50]
    assert planes.data[:, 0, 0] == pytest.approx(expected, abs=1e-5)
    assert (planes.data[:, 5, 5] == 0).all()


def test_time_surface_by_hand() -> None:
    reading = events([(0, 0, True, 30 * MS), (0, 0, True, 10 * MS), (0, 0, False, 40 * MS)])
    assert latest_times(reading, pixel_index(reading))[:, 0, 0].tolist() == [30 * MS, 40 * MS]
    settings = EventSettings(representation="time_surface", decay_ms=10.0)
    planes = encode("event", reading, settings)
    assert planes.data[:, 0, 0] == pytest.approx([math.exp(-2), math.exp(-1), math.exp(-1)])
    assert (planes.data[:, 1, 1] == 0).all()


@pytest.mark.parametrize("representation", REPRESENTATIONS)
def test_planes_stay_within_bounds(representation: Representation) -> None:
    planes = encode("event", random_events(20_000), EventSettings(representation=representation))
    assert planes.data.min() >= 0.0
    assert planes.data.max() <= 1.0
    assert planes.data.std() > 0.01


@pytest.mark.parametrize("representation", REPRESENTATIONS)
@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 2**31), count=st.integers(1, 3000))
def test_order_does_not_matter(representation: Representation, seed: int, count: int) -> None:
    """Times are whole milliseconds, so most events have equal timestamps."""
    reading = random_events(count, seed)
    as_settings = EventSettings(representation=representation)
    a = encode("event", reading, as_settings)
    b = encode("event", shuffled(reading, seed), as_settings)
    assert np.array_equal(a.data, b.data)


@pytest.mark.parametrize("representation", REPRESENTATIONS)
def test_clock_and_window_length_do_not_matter(representation: Representation) -> None:
    """The same scene at twice the speed, on another clock, gives equal planes."""
    reading = random_events(2000)
    other = replace(reading, t_ns=(reading.t_ns - START) // 2 + 7, start_ns=7, end_ns=7 + 25 * MS)
    slow = EventSettings(representation=representation, decay_ms=20.0)
    fast = EventSettings(representation=representation, decay_ms=10.0)
    a, b = encode("event", reading, slow), encode("event", other, fast)
    assert np.allclose(a.data, b.data, atol=1e-6)


def noise_with_hot_pixel() -> Events:
    reading = random_events(2000)
    at = np.full(60, 1, np.uint16)
    return replace(
        reading,
        x=np.concatenate([reading.x, 20 * at]),
        y=np.concatenate([reading.y, 30 * at]),
        polarity=np.concatenate([reading.polarity, at.astype(np.bool_)]),
        t_ns=np.concatenate([reading.t_ns, START + np.arange(60) * MS // 2]),
    )


@pytest.mark.parametrize("representation", REPRESENTATIONS)
@pytest.mark.parametrize("percentile", [99.0, 100.0])
def test_hot_pixel_is_invalid_and_does_not_leak(
    representation: Representation, percentile: float
) -> None:
    as_settings = EventSettings(representation=representation, percentile=percentile)
    planes = encode("event", noise_with_hot_pixel(), as_settings)
    assert np.argwhere(~planes.valid).tolist() == [[30, 20]]
    assert (planes.data[:, 30, 20] == 0).all()
    without = encode("event", random_events(2000), as_settings)
    others = planes.valid
    assert np.array_equal(planes.data[:, others], without.data[:, others])


def test_hot_pixels_may_be_kept() -> None:
    planes = encode("event", noise_with_hot_pixel(), EventSettings(hot_pixel_ratio=None))
    assert planes.valid.all()
    assert planes.data[0, 30, 20] > 0.5


def test_an_edge_is_not_hot() -> None:
    rows: list[Row] = [(4, y, True, k * MS) for y in range(6) for k in range(40)]
    assert encode("event", events(rows)).valid.all()


def test_hot_pixel_in_a_corner() -> None:
    rows: list[Row] = [(7, 5, True, k * MS) for k in range(40)]
    planes = encode("event", events([*rows, (0, 0, True, 0)]))
    assert np.argwhere(~planes.valid).tolist() == [[5, 7]]


def test_incomplete_window_is_invalid_unless_told() -> None:
    reading = replace(random_events(500), complete=False)
    planes = encode("event", reading)
    assert not planes.valid.any()
    assert (planes.data == 0).all()
    told = encode("event", reading, EventSettings(use_incomplete=True))
    assert told.valid.all()
    assert np.array_equal(told.data, encode("event", random_events(500)).data)


def test_reading_is_left_as_it_is() -> None:
    reading = random_events(100)
    before = [a.copy() for a in (reading.x, reading.y, reading.polarity, reading.t_ns)]
    encode("event", reading)
    after = (reading.x, reading.y, reading.polarity, reading.t_ns)
    assert all(np.array_equal(a, b) for a, b in zip(before, after, strict=True))


def in_nanoseconds(*times: int) -> Events:
    """A window of 10 ns with one brighter event per time, each at a pixel of its own."""
    rows: list[Row] = [(x, 0, True, t) for x, t in enumerate(times)]
    return events(rows, length_ms=10 / MS)


def test_the_first_and_the_last_nanosecond_are_in_the_window() -> None:
    counts = EventSettings(representation="polarity_counts")
    planes = encode("event", in_nanoseconds(0, 4, 9), counts)
    assert planes.data[2, 0, :4] == pytest.approx([0.1, 0.5, 1.0, 0.0], abs=1e-6)
    grid = voxel_grid(in_nanoseconds(0, 4, 9), pixel_index(in_nanoseconds(0, 4, 9)))
    expected = [[1, 0, 0], [0.2, 0.8, 0], [0, 0.2, 0.8]]
    assert np.allclose(grid[:, 0, :3].T, expected, atol=1e-4)
    surface = EventSettings(representation="time_surface", decay_ms=10 / MS)
    planes = encode("event", in_nanoseconds(0, 4, 9), surface)
    assert planes.data[0, 0, :3] == pytest.approx(np.exp([-1.0, -0.6, -0.1]), abs=1e-6)
    for outside in (-1, 10):
        with pytest.raises(InputError, match="ms after the window's start"):
            encode("event", in_nanoseconds(0, outside))


@pytest.mark.parametrize(
    ("fired", "around", "hot"), [(8, 0, True), (7, 0, False), (10, 2, False), (11, 2, True)]
)
def test_hot_is_eight_events_and_more_than_five_times_the_neighbours(
    fired: int, around: int, hot: bool
) -> None:
    """At 200 Hz of 40 ms, which is 8."""
    rows: list[Row] = [(3, 3, True, 0)] * fired + [(4, 4, False, 0)] * around
    planes = encode("event", events(rows, length_ms=40))
    assert np.argwhere(~planes.valid).tolist() == ([[3, 3]] if hot else [])


def test_hot_is_a_rate_where_the_window_is_long() -> None:
    for fired, hot in ((19, False), (20, True)):
        planes = encode("event", events([(3, 3, True, 0)] * fired, length_ms=100))
        assert planes.valid.all() != hot


def test_window_without_events() -> None:
    with pytest.raises(InputError, match=r"50 ms .*no event"):
        encode("event", events([]))


def test_window_without_length() -> None:
    with pytest.raises(InputError, match=r"0 ms long; .*end after"):
        encode("event", events([(0, 0, True, 0)], length_ms=0))


@pytest.mark.parametrize(
    ("name", "dtype", "words"),
    [
        ("polarity", np.int8, "polarity .*int8; expected bool"),
        ("x", np.int64, "x .*int64; expected uint16"),
        ("y", np.float32, "y .*float32; expected uint16"),
        ("t_ns", np.float64, "t_ns .*float64; expected int64"),
    ],
)
def test_arrays_of_another_type(name: str, dtype: type, words: str) -> None:
    reading = random_events(10)
    with pytest.raises(InputError, match=words):
        replace(reading, **{name: getattr(reading, name).astype(dtype)})


@pytest.mark.parametrize("size", [(0, 48), (64, -1), (60_000, 60_000)])
def test_sizes_that_no_sensor_has(size: tuple[int, int]) -> None:
    with pytest.raises(InputError, match=f"{size[0]}x{size[1]} pixels"):
        replace(events([]), width=size[0], height=size[1])


def test_events_outside_the_window() -> None:
    with pytest.raises(InputError, match=r"1 to 60 ms .*50 ms long"):
        encode("event", events([(0, 0, True, MS), (0, 0, True, 60 * MS)]))


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"representation": "frames"}, "'frames' is unknown; .*voxel_grid"),
        ({"response": "cubic"}, "'cubic' is unknown; .*log, linear"),
        ({"full_scale": 0.0}, "full_scale is 0.0; expected above 0"),
        ({"percentile": 101.0}, "percentile is 101.0; .*0 .*100"),
        ({"decay_ms": -1.0}, "decay_ms is -1.0"),
        ({"hot_pixel_ratio": 1.0}, "hot_pixel_ratio is 1.0; expected above 1"),
        ({"hot_pixel_rate_hz": math.nan}, "hot_pixel_rate_hz is nan"),
    ],
)
def test_settings_out_of_bounds(changes: dict[str, object], sentence: str) -> None:
    with pytest.raises(InputError, match=sentence):
        EventSettings(**changes)  # type: ignore[arg-type]
