# SPDX-License-Identifier: Apache-2.0
"""Readings in the number types and file formats that people have."""

import sys
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image

from segrgbx_core.commands.pairs import find_pairs
from segrgbx_core.errors import InputError
from segrgbx_core.files.images import one_channel, read_reading, read_rgb, write_png

RNG = np.random.default_rng(8)
COUNTS = RNG.integers(28_000, 31_000, (6, 8)).astype(np.uint16)
BYTES = (COUNTS // 200).astype(np.uint8)


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("<i4", np.uint16), (">i4", np.uint16), ("<u4", np.uint16), ("<i8", np.uint16),
        (">u2", np.uint16), ("<i2", np.uint16), ("<f2", np.float32), (">f4", np.float32),
        ("<f8", np.float32),
    ],
)  # fmt: skip
def test_arrays_of_every_plain_type(tmp_path: Path, kind: str, expected: type[np.generic]) -> None:
    stored = COUNTS.astype(kind)
    np.save(tmp_path / "x.npy", stored)
    read = read_reading(tmp_path / "x.npy")
    assert read.dtype == expected
    np.testing.assert_array_equal(read, stored.astype(expected))


def test_numbers_below_zero_become_floats(tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", COUNTS.astype(np.int32) - 30_000)
    read = read_reading(tmp_path / "x.npy")
    assert read.dtype == np.float32
    assert read.min() < 0


@pytest.mark.parametrize(
    ("name", "stored"),
    [("x.pgm", COUNTS), ("x.pgm", BYTES), ("x.bmp", BYTES), ("x.tif", COUNTS.astype(np.float64)),
     ("x.tif", COUNTS.astype(np.int16)), ("x.tif", COUNTS.astype(np.int32))],
)  # fmt: skip
def test_image_files(tmp_path: Path, name: str, stored: npt.NDArray[Any]) -> None:
    assert cv2.imwrite(str(tmp_path / name), stored)
    np.testing.assert_array_equal(read_reading(tmp_path / name), stored)


def test_webp_without_loss(tmp_path: Path) -> None:
    Image.fromarray(BYTES).save(tmp_path / "x.webp", lossless=True)
    np.testing.assert_array_equal(read_reading(tmp_path / "x.webp"), BYTES)
    colours = RNG.integers(0, 256, (6, 8, 3)).astype(np.uint8)
    Image.fromarray(colours).save(tmp_path / "rgb.webp", lossless=True)
    np.testing.assert_array_equal(read_rgb(tmp_path / "rgb.webp"), colours)


@pytest.mark.parametrize("kind", ["f2", "u4", "u8"])
@pytest.mark.parametrize("order", ["<", ">"])
def test_tiff_that_opencv_does_not_read(tmp_path: Path, kind: str, order: str) -> None:
    tifffile = pytest.importorskip("tifffile")
    stored = COUNTS.astype(kind)
    tifffile.imwrite(tmp_path / "x.tiff", stored, byteorder=order)
    read = read_reading(tmp_path / "x.tiff")
    assert read.dtype == (np.float32 if kind == "f2" else np.uint16)
    np.testing.assert_array_equal(read, stored.astype(read.dtype))
    (tmp_path / "cut.tiff").write_bytes((tmp_path / "x.tiff").read_bytes()[:-60])
    with pytest.raises(InputError, match=r"cut.tiff cannot be decoded"):
        read_reading(tmp_path / "cut.tiff")


def test_such_a_tiff_without_its_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tifffile = pytest.importorskip("tifffile")
    tifffile.imwrite(tmp_path / "x.tiff", COUNTS.astype(np.uint32))
    monkeypatch.setitem(sys.modules, "tifffile", None)
    with pytest.raises(InputError, match=r"needs the package tifffile.*'segrgbx_ros\[formats\]'"):
        read_reading(tmp_path / "x.tiff")


def test_grey_with_an_opaque_alpha(tmp_path: Path) -> None:
    Image.fromarray(BYTES).convert("LA").save(tmp_path / "x.png")
    np.testing.assert_array_equal(read_reading(tmp_path / "x.png"), BYTES)
    image = np.dstack([BYTES, BYTES, BYTES, BYTES])
    assert cv2.imwrite(str(tmp_path / "odd.png"), image)
    with pytest.raises(InputError, match=r"grey with an alpha channel that is not plain"):
        read_reading(tmp_path / "odd.png")
    image[..., 1] += 1
    assert cv2.imwrite(str(tmp_path / "four.png"), image)
    with pytest.raises(InputError, match=r"four channels; give it as --rgbx"):
        read_reading(tmp_path / "four.png")


def test_one_channel_of_several() -> None:
    assert one_channel(BYTES) is BYTES
    np.testing.assert_array_equal(one_channel(BYTES[..., None]), BYTES)
    deep = np.dstack([COUNTS] * 3 + [np.full_like(COUNTS, 65535)])
    np.testing.assert_array_equal(one_channel(deep), COUNTS)
    assert one_channel(np.dstack([BYTES, BYTES])) is None
    assert one_channel(np.dstack([BYTES, BYTES, BYTES + 1])) is None
    assert one_channel(BYTES[0]) is None


def test_folders_with_such_files_are_paired(tmp_path: Path) -> None:
    for name in ("rgb", "x"):
        (tmp_path / name).mkdir()
    write_png(tmp_path / "rgb" / "1.png", np.dstack([BYTES] * 3))
    cv2.imwrite(str(tmp_path / "x" / "1.pgm"), COUNTS)
    (pair,) = find_pairs(tmp_path / "rgb", tmp_path / "x", None, "thermal").pairs
    assert pair.x == tmp_path / "x" / "1.pgm"
