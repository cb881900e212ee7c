# SPDX-License-Identifier: Apache-2.0
"""Sizes that files state: none is believed without the data for it, in any kind of file."""

import io
import struct
import tracemalloc
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest

from segrgbx_core.errors import InputError
from segrgbx_core.files.arrays import array_from, arrays_from
from segrgbx_core.files.disk import input_bytes
from segrgbx_core.files.headers import png_is_cut, stated_size
from segrgbx_core.files.images import read_reading, read_rgb
from segrgbx_core.labels.images import numbers_in

IMAGE = (np.arange(40 * 56 * 3) % 251).astype(np.uint8).reshape(40, 56, 3)
POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:" + b"ab" * 32 + b"\nsize 9\n"


def encoded(suffix: str, *parameters: int) -> bytes:
    return cv2.imencode(suffix, IMAGE, list(parameters))[1].tobytes()


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".tiff", ".bmp", ".webp", ".ppm", ".jp2"])
def test_the_stated_size_is_the_decoded_one(suffix: str) -> None:
    assert stated_size(encoded(suffix))[1] == (56, 40)


def test_a_progressive_jpeg_states_its_size() -> None:
    data = encoded(".jpg", cv2.IMWRITE_JPEG_PROGRESSIVE, 1)
    assert stated_size(data) == ("JPEG", (56, 40))


def png_of(width: int, height: int) -> bytes:
    def chunk(name: bytes, body: bytes) -> bytes:
        return (
            struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))
        )

    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    rows = chunk(b"IDAT", zlib.compress(bytes(100)))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + rows + chunk(b"IEND", b"")


def changed(data: bytes, at: int, code: str, *values: int) -> bytes:
    return data[:at] + struct.pack(code, *values) + data[at + struct.calcsize(code) :]


def jpeg_of(width: int, height: int) -> bytes:
    data = encoded(".jpg")
    return changed(data, data.index(b"\xff\xc0") + 5, ">HH", height, width)


def bmp_of(width: int, height: int) -> bytes:
    return changed(encoded(".bmp"), 18, "<ii", width, height)


def tiff_of(width: int, height: int) -> bytes:
    data = encoded(".tiff", cv2.IMWRITE_TIFF_COMPRESSION, 1)
    (at,) = struct.unpack_from("<I", data, 4)
    (count,) = struct.unpack_from("<H", data, at)
    for entry in range(at + 2, at + 2 + 12 * count, 12):
        tag = struct.unpack_from("<H", data, entry)[0]
        if tag in (256, 257):
            data = changed(data, entry + 2, "<HII", 4, 1, width if tag == 256 else height)
    return data


LARGE: dict[str, Callable[[int, int], bytes]] = {
    ".png": png_of,
    ".jpg": jpeg_of,
    ".bmp": bmp_of,
    ".tiff": tiff_of,
}


@pytest.mark.parametrize("suffix", LARGE)
@pytest.mark.parametrize("read", [read_rgb, read_reading])
def test_a_stated_size_without_data_is_refused_before_memory_is_taken(
    tmp_path: Path, suffix: str, read: Callable[[Path], object]
) -> None:
    path = tmp_path / "large.png"  # the content decides how a file is decoded
    path.write_bytes(LARGE[suffix](60000, 60000))
    with pytest.raises(InputError, match=r"states 60000x60000 pixels in \d+ bytes"):
        read(path)


def test_a_label_image_with_a_palette_is_bounded_as_well(tmp_path: Path) -> None:
    data = bytearray(png_of(60000, 60000))
    data[25] = 3
    (tmp_path / "labels.png").write_bytes(bytes(data))
    with pytest.raises(InputError, match="states 60000x60000"):
        numbers_in(tmp_path / "labels.png")


def test_plain_images_compress_as_far_as_they_may(tmp_path: Path) -> None:
    blank = np.zeros((3000, 4000), np.uint16)
    for suffix in (".png", ".tiff"):
        cv2.imwrite(str(tmp_path / f"blank{suffix}"), blank)
        assert read_reading(tmp_path / f"blank{suffix}").shape == (3000, 4000)
    cv2.imwrite(str(tmp_path / "blank.jpg"), blank.astype(np.uint8))
    assert read_reading(tmp_path / "blank.jpg").shape == (3000, 4000)


@pytest.mark.parametrize("bit", range(32))
def test_a_flipped_bit_in_a_chunk_length_is_a_cut_png(bit: int) -> None:
    data = bytearray(encoded(".png"))
    at = data.index(b"IDAT") - 4
    length = struct.unpack_from(">I", data, at)[0] ^ 1 << bit
    struct.pack_into(">I", data, at, length)
    assert png_is_cut(bytes(data))
    assert not png_is_cut(encoded(".png") + b"a remark behind the end")


def npy(array: np.ndarray) -> bytes:
    file = io.BytesIO()
    np.save(file, array)
    return file.getvalue()


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (npy(np.zeros((4, 5), np.uint8)).replace(b"(4, 5)", b"(4, 6)"), "states shape .4, 6."),
        (npy(np.zeros((4, 5), np.uint8)).replace(b"(4, 5), }   ", b"(400000, 5),}"), "states"),
        (npy(np.zeros((2, 5), np.uint8))[:-1], "holds 9 bytes"),
        (npy(np.zeros(3, "S0")).replace(b"|S1", b"|S0"), "values of type"),
        (npy(np.zeros((4, 5), np.uint8)).replace(b"(4, 5)", b"(((((("), "not a whole .npy"),
        (npy(np.zeros((4, 5), np.uint8)).replace(b"|u1", b"|q9"), "not a whole .npy"),
    ],
)
def test_an_array_is_held_to_its_bytes(data: bytes, words: str) -> None:
    with pytest.raises(InputError, match=words):
        array_from(data, "a.npy", InputError)


def test_an_archive_unpacks_to_a_bounded_size_and_only_what_is_wanted() -> None:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("x.npy", npy(np.zeros(1 << 24, np.uint8)))
        archive.writestr("y.npy", npy(np.arange(3)))
    data = bytearray(file.getvalue())
    tracemalloc.start()
    assert arrays_from(bytes(data), ("y",), "a.npz", InputError)["y"].tolist() == [0, 1, 2]
    assert tracemalloc.get_traced_memory()[1] < 1 << 23
    tracemalloc.stop()
    place = data.index(b"PK\1\2") + 24
    struct.pack_into("<I", data, place, 1 << 30)
    with pytest.raises(InputError, match="unpacks to 1073741824 bytes"):
        arrays_from(bytes(data), ("x",), "a.npz", InputError)


@pytest.mark.parametrize("name", ["a.png", "a.npy"])
def test_a_git_lfs_pointer_is_named(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(POINTER)
    with pytest.raises(InputError, match=r"is a Git LFS pointer.*git lfs pull"):
        read_reading(tmp_path / name)
    with pytest.raises(InputError, match="is a Git LFS pointer"):
        input_bytes(tmp_path / name, "an image file")
