# SPDX-License-Identifier: Apache-2.0
"""Image files of every accepted kind, and a sentence for each of the others."""

import re
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
import pytest

from segrgbx_core.encoding import read_x
from segrgbx_core.errors import InputError
from segrgbx_core.files.events import write_events
from segrgbx_core.files.images import (
    png_bytes,
    read_reading,
    read_rgb,
    read_rgbx,
    write_png,
)
from segrgbx_core.readings import Events, LightFieldViews, PolarizerImages

RNG = np.random.default_rng(3)
RGB = RNG.integers(0, 256, (6, 8, 3)).astype(np.uint8)
DEEP = RNG.integers(0, 65536, (6, 8)).astype(np.uint16)


def stored(path: Path, image: npt.NDArray[Any]) -> Path:
    """Writes what cv2 is given, that is blue first."""
    cv2.imwrite(str(path), image)
    return path


def test_rgb_comes_back_red_first(tmp_path: Path) -> None:
    write_png(tmp_path / "a.png", RGB)
    np.testing.assert_array_equal(read_rgb(tmp_path / "a.png"), RGB)
    bgr = cv2.imread(str(tmp_path / "a.png"))
    np.testing.assert_array_equal(bgr, RGB[..., ::-1])


def test_rgb_from_tiff_and_jpeg(tmp_path: Path) -> None:
    flat = np.full((16, 16, 3), (200, 100, 50), np.uint8)
    np.testing.assert_array_equal(read_rgb(stored(tmp_path / "a.tiff", flat[..., ::-1])), flat)
    decoded = read_rgb(stored(tmp_path / "a.JPG", flat[..., ::-1]))
    assert np.abs(decoded.astype(int) - flat).max() <= 3


def test_opaque_alpha_is_dropped(tmp_path: Path) -> None:
    opaque = np.dstack([RGB, np.full((6, 8), 255, np.uint8)])
    assert read_rgb(stored(tmp_path / "a.png", opaque)).shape == (6, 8, 3)


@pytest.mark.parametrize("suffix", [".png", ".tif"])
def test_16_bit_readings_keep_their_counts(tmp_path: Path, suffix: str) -> None:
    read = read_reading(stored(tmp_path / f"x{suffix}", DEEP))
    assert read.dtype == np.uint16
    np.testing.assert_array_equal(read, DEEP)


def test_8_bit_and_float_readings(tmp_path: Path) -> None:
    grey = RGB[..., 0]
    np.testing.assert_array_equal(read_reading(stored(tmp_path / "x.png", grey)), grey)
    celsius = RNG.normal(20, 5, (6, 8)).astype(np.float32)
    np.testing.assert_array_equal(read_reading(stored(tmp_path / "x.tiff", celsius)), celsius)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
def test_npy_readings_keep_their_type(tmp_path: Path, dtype: type[np.generic]) -> None:
    values = DEEP.astype(dtype)
    np.save(tmp_path / "x.npy", values)
    read = read_reading(tmp_path / "x.npy")
    assert read.dtype == dtype
    np.testing.assert_array_equal(read, values)


def test_float64_becomes_float32(tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", np.full((2, 2), 21.5))
    assert read_reading(tmp_path / "x.npy").dtype == np.float32


def test_grey_stored_in_three_channels_becomes_one(tmp_path: Path) -> None:
    grey = RGB[..., 1]
    read = read_reading(stored(tmp_path / "x.png", np.dstack([grey] * 3)))
    np.testing.assert_array_equal(read, grey)


def test_a_coloured_reading_keeps_its_channels_red_first(tmp_path: Path) -> None:
    write_png(tmp_path / "x.png", RGB)
    np.testing.assert_array_equal(read_reading(tmp_path / "x.png"), RGB)


def test_rgbx_splits_the_fourth_channel(tmp_path: Path) -> None:
    x = RGB[..., 1] // 2
    path = stored(tmp_path / "a.png", np.dstack([RGB[..., ::-1], x]))
    rgb, reading = read_rgbx(path)
    np.testing.assert_array_equal(rgb, RGB)
    np.testing.assert_array_equal(reading, x)
    with pytest.raises(InputError, match=r"fourth channel.*--rgbx"):
        read_rgb(path)
    with pytest.raises(InputError, match=r"four channels; .*--rgbx"):
        read_reading(path)


def test_missing_folder_empty_and_foreign_files(tmp_path: Path) -> None:
    (tmp_path / "empty.png").touch()
    (tmp_path / "notes.txt").write_text("hello")
    (tmp_path / "text.png").write_text("hello")
    for name, words in {
        "none.png": "does not exist",
        "": "is a folder",
        "empty.png": "is empty",
        "notes.txt": ".*'.txt'; .* .png, .jpg, .jpeg, .tif, .tiff, .*.npy",
        "text.png": "cannot be decoded",
    }.items():
        path = tmp_path / name
        for read in (read_rgb, read_reading, read_rgbx):
            with pytest.raises(InputError, match=f"^{re.escape(str(path))} {words}"):
                read(path)


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".tiff"])
def test_a_truncated_image_is_refused(tmp_path: Path, suffix: str) -> None:
    whole = stored(tmp_path / f"a{suffix}", cv2.resize(RGB, (64, 64))).read_bytes()
    cut = tmp_path / f"cut{suffix}"
    cut.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(InputError, match="truncated, damaged"):
        read_rgb(cut)


def test_wrong_bit_depth_of_rgb(tmp_path: Path) -> None:
    path = stored(tmp_path / "a.png", np.dstack([DEEP] * 3))
    with pytest.raises(InputError, match=r"a.png .*uint16; .*8 bits .*X reading"):
        read_rgb(path)


def test_a_grey_rgb_image(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"grey image; .*second sensor"):
        read_rgb(stored(tmp_path / "a.png", RGB[..., 0]))


def test_rgbx_with_three_channels(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"3 channels; .*four .*--rgb and --x"):
        read_rgbx(stored(tmp_path / "a.png", RGB))


def test_npy_of_other_things(tmp_path: Path) -> None:
    np.save(tmp_path / "int.npy", np.full((2, 2), 1 << 30, np.int32))
    np.save(tmp_path / "flat.npy", np.zeros(4, np.uint8))
    np.save(tmp_path / "object.npy", np.array([{}], dtype=object), allow_pickle=True)
    (tmp_path / "cut.npy").write_bytes((tmp_path / "int.npy").read_bytes()[:-3])
    with (tmp_path / "zip.npy").open("wb") as file:
        np.savez(file, a=np.zeros(2))
    for name, words in {
        "int": "int32, up to 1073741824; expected whole numbers of 0 to 65535, or floats",
        "flat": r"shape \(4,\)",
        "object": "not a whole .npy",
        "cut": "not a whole .npy",
        "zip": "archive of arrays",
    }.items():
        with pytest.raises(InputError, match=words):
            read_reading(tmp_path / f"{name}.npy")


def test_png_bytes_of_labels_are_lossless(tmp_path: Path) -> None:
    labels = np.array([[0, 9], [255, 3]], np.uint8)
    (tmp_path / "m.png").write_bytes(png_bytes(labels))
    back = cv2.imread(str(tmp_path / "m.png"), cv2.IMREAD_UNCHANGED)
    assert back is not None
    np.testing.assert_array_equal(back, labels)


def test_16_bit_png_is_written_as_it_is(tmp_path: Path) -> None:
    write_png(tmp_path / "x.png", DEEP)
    np.testing.assert_array_equal(read_reading(tmp_path / "x.png"), DEEP)


def test_x_of_a_plain_image_is_the_image(tmp_path: Path) -> None:
    write_png(tmp_path / "x.png", DEEP)
    for modality in ("thermal", "depth", "polarization", "light_field"):
        np.testing.assert_array_equal(read_x(tmp_path / "x.png", modality), DEEP)


def test_x_of_events_is_a_window(tmp_path: Path) -> None:
    none = np.zeros(0, np.int64)
    events = Events(none.astype(np.uint16), none.astype(np.uint16), none > 0, none, 8, 6, 0, 10)
    write_events(tmp_path / "x.npz", events)
    back = read_x(tmp_path / "x.npz", "event")
    assert isinstance(back, Events)
    assert (back.width, back.height, back.end_ns) == (8, 6, 10)
    write_png(tmp_path / "x.png", DEEP)
    with pytest.raises(InputError, match=r"not a whole .npz"):
        read_x(tmp_path / "x.png", "event")


def test_x_of_a_light_field_is_a_folder_or_tiles(tmp_path: Path) -> None:
    folder = tmp_path / "scene"
    folder.mkdir()
    for name, view in (("frame_5_6", RGB), ("frame_5_5", RGB // 2), ("frame_5_7", 0 * RGB)):
        write_png(folder / f"{name}.png", view)
    (folder / "notes.txt").write_text("not a view")
    views = read_x(folder, "light_field")
    assert isinstance(views, LightFieldViews)
    assert views.rows.tolist() == [5, 5, 5]
    assert views.columns.tolist() == [5, 6, 7]
    np.testing.assert_array_equal(views.views, [RGB // 2, RGB, 0 * RGB])
    write_png(tmp_path / "tiles.png", RGB)
    tiles = read_x(tmp_path / "tiles.png", "light_field", (2, 4))
    assert isinstance(tiles, LightFieldViews)
    assert tiles.views.shape == (8, 3, 2, 3)


def test_x_of_four_polarizer_images(tmp_path: Path) -> None:
    folder = tmp_path / "scene"
    folder.mkdir()
    for number, angle in enumerate((0, 45, 90, 135)):
        write_png(folder / f"{angle}.png", np.full((4, 5), number, np.uint8))
    images = read_x(folder, "polarization")
    assert isinstance(images, PolarizerImages)
    assert images.intensity[:, 0, 0].tolist() == [0, 1, 2, 3]
    (folder / "90.png").rename(folder / "90.PNG")
    assert isinstance(read_x(folder, "polarization"), PolarizerImages)
    (folder / "90.PNG").unlink()
    with pytest.raises(InputError, match=r"lacks .*90 degrees; .*0.png"):
        read_x(folder, "polarization")
    write_png(folder / "90.png", np.zeros((5, 5), np.uint8))
    with pytest.raises(InputError, match=r"90.png .*\(5, 5\) .*uint8, but 0.png"):
        read_x(folder, "polarization")


def test_x_of_a_folder_that_holds_something_else(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="has no views"):
        read_x(tmp_path, "light_field")
    with pytest.raises(InputError, match="is a folder"):
        read_x(tmp_path, "depth")
    write_png(tmp_path / "0_0.png", DEEP)
    with pytest.raises(InputError, match=r"uint16 values; .*uint8"):
        read_x(tmp_path, "light_field")
    with pytest.raises(InputError, match=r"uint16 values; .*uint8"):
        read_x(tmp_path / "0_0.png", "light_field", (2, 2))
