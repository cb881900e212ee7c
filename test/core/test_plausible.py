# SPDX-License-Identifier: Apache-2.0
"""Numbers in their words: depths, byte orders, types, and the limits of each reading."""

import numpy as np
import numpy.typing as npt
import pytest

from segrgbx_core.plausible import (
    bits_in,
    bytes_look_swapped,
    events_lie_at_the_start,
    in_order,
    plain_numbers,
    share_at_the_top,
    widened,
    word_depth,
)
from segrgbx_core.readings import Events


def scene(most: int, size: tuple[int, int] = (64, 96)) -> npt.NDArray[np.uint16]:
    """A smooth picture with some noise, from 0 to `most`."""
    y, x = np.mgrid[: size[0], : size[1]]
    noise = np.random.default_rng(0).normal(0, 0.01, size)
    waves = 0.5 + 0.4 * np.sin(x / 17.0) * np.cos(y / 23.0) + noise
    values = np.clip(waves, 0, 1) * most
    values[0, 0] = most
    return np.asarray(values.round(), np.uint16)


@pytest.mark.parametrize("bits", [8, 10, 12, 14, 16])
def test_the_depth_is_that_of_the_brightest_value(bits: int) -> None:
    most = (1 << bits) - 1
    assert word_depth(bits_in(scene(most))) == bits
    wide = widened(scene(most), bits)
    assert (int(wide.max()), wide.dtype) == (65535, np.uint16)
    full = np.arange(65536, dtype=np.float64) / 65535
    error = np.abs(full[wide] - scene(most) / most).max()
    assert error <= 0.5 / 65535 + 1e-9


@pytest.mark.parametrize(("most", "depth"), [(600, 10), (3200, 12), (5000, 14), (20000, 16)])
def test_a_picture_that_is_not_full_has_the_next_depth(most: int, depth: int) -> None:
    assert word_depth(bits_in(scene(most))) == depth


def test_bits_at_the_upper_end_have_the_whole_range() -> None:
    assert word_depth(bits_in(scene(4095) << 4)) == 16
    assert word_depth(bits_in(np.zeros((2, 2), np.uint16))) == 16


@pytest.mark.parametrize("most", [1023, 4095, 16383, 65535])
def test_the_other_byte_order_is_seen(most: int) -> None:
    picture = scene(most)
    assert not bytes_look_swapped(picture)
    assert bytes_look_swapped(picture.byteswap())
    assert not bytes_look_swapped(in_order(picture.byteswap(), "swapped"))


@pytest.mark.parametrize(
    "values",
    [
        scene(255),
        scene(4095).astype(np.float32),
        np.full((40, 40), 300, np.uint16),
        np.zeros((40, 40), np.uint16),
        np.random.default_rng(1).integers(0, 65536, (64, 64)).astype(np.uint16),
        scene(200).astype(np.uint8),
        np.zeros((1, 1), np.uint16),
    ],
    ids=["8 of 16 bits", "float", "one value", "nothing", "noise", "bytes", "one pixel"],
)
def test_what_has_no_order_or_none_to_be_seen(values: npt.NDArray[np.generic]) -> None:
    assert not bytes_look_swapped(values)


def test_floats_in_the_other_order_are_absurd() -> None:
    metres = (scene(4095) / 400 + 0.5).astype(np.float32)
    assert bytes_look_swapped(metres.byteswap())
    holes = metres.copy()
    holes[::2] = np.nan
    assert not bytes_look_swapped(holes)


def test_holes_do_not_hide_the_order() -> None:
    depth = scene(4095)
    depth[20:50, 10:60] = 0
    assert not bytes_look_swapped(depth)
    assert bytes_look_swapped(depth.byteswap())


def test_a_mosaic_is_not_in_another_order() -> None:
    mosaic = scene(4095)
    mosaic[::2, ::2] //= 4
    mosaic[1::2, 1::2] //= 2
    assert not bytes_look_swapped(mosaic)
    assert bytes_look_swapped(mosaic.byteswap())


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        (np.array([[0, 65535]], np.int32), np.uint16),
        (np.array([[0, 7]], ">u2"), np.uint16),
        (np.array([[0, 65535]], np.uint64), np.uint16),
        (np.array([[3, 4]], np.int8), np.uint8),
        (np.array([[-3, 4]], np.int16), np.float32),
        (np.array([[0, 1 << 24]], np.uint32), np.float32),
        (np.array([[0.5, 2]], np.float16), np.float32),
        (np.array([[0.5, 2]], ">f8"), np.float32),
    ],
)
def test_numbers_of_other_types(values: npt.NDArray[np.generic], kind: type[np.generic]) -> None:
    plain = plain_numbers(values)
    assert plain is not None
    assert plain.dtype == kind
    assert plain.dtype.isnative
    assert plain.tolist() == values.tolist()


@pytest.mark.parametrize(
    "values",
    [np.array([(1 << 24) + 1]), np.array([True]), np.array(["a"]), np.array([1j])],
)
def test_numbers_that_do_not_fit(values: npt.NDArray[np.generic]) -> None:
    assert plain_numbers(values) is None


def test_the_share_at_the_top_of_eight_bits() -> None:
    picture = np.full((10, 10), 255, np.uint8)
    picture[:4] = 30
    assert share_at_the_top(picture) == 0.6
    picture[:5] = 30
    assert share_at_the_top(picture) == 0.0
    assert share_at_the_top(picture.astype(np.uint16)) == 0.0


def events(times: npt.NDArray[np.int64], end_ns: int) -> Events:
    place = np.zeros(len(times), np.uint16)
    return Events(place, place, place > 0, times, 4, 4, 0, end_ns)


def test_microseconds_in_a_window_of_nanoseconds() -> None:
    times = np.arange(0, 50_000, 500)
    assert events_lie_at_the_start(events(times, 50_000_000))
    assert not events_lie_at_the_start(events(times * 1000, 50_000_000))
    assert not events_lie_at_the_start(events(times[:9], 50_000_000))
