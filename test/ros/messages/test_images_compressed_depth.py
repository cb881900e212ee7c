# SPDX-License-Identifier: Apache-2.0
"""compressedDepth as PNG and RVL: code by hand, an independent RVL writer, and damage."""

from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from segrgbx_core.errors import BagError
from segrgbx_ros.messages.compressed_depth import decode_compressed_depth

Depth = npt.NDArray[np.uint16]
A, B = 100.0, -1.0


def rvl_code(pixels: list[int]) -> bytes:
    """RVL written number by number, as in the listing of the paper."""
    groups: list[int] = []

    def put(number: int) -> None:
        while number > 7:
            groups.append(number & 7 | 8)
            number >>= 3
        groups.append(number)

    at = previous = 0
    while at < len(pixels):
        zeros = 0
        while at + zeros < len(pixels) and pixels[at + zeros] == 0:
            zeros += 1
        at += zeros
        others = 0
        while at + others < len(pixels) and pixels[at + others] != 0:
            others += 1
        put(zeros)
        put(others)
        for value in pixels[at : at + others]:
            change = value - previous
            put(2 * change if change >= 0 else -2 * change - 1)
            previous = value
        at += others
    groups += [0] * (-len(groups) % 8)
    words = [groups[i : i + 8] for i in range(0, len(groups), 8)]
    return b"".join(int("".join(f"{g:x}" for g in w), 16).to_bytes(4, "little") for w in words)


def rvl_message(image: Depth) -> npt.NDArray[np.uint8]:
    size = np.array(image.shape[::-1], "<u4").tobytes()
    return np.frombuffer(depth_header() + size + rvl_code(image.ravel().tolist()), np.uint8)


def png_message(image: npt.NDArray[np.generic]) -> npt.NDArray[np.uint8]:
    png = cv2.imencode(".png", np.asarray(image))[1].tobytes()
    return np.frombuffer(depth_header() + png, np.uint8)


def depth_header() -> bytes:
    return bytes(4) + np.array([A, B], "<f4").tobytes()


def test_rvl_of_the_reference_codec() -> None:
    """2 zeros, 3 others: +5, -1, +996 as 10, 1, 1992; 1 zero, 0 others; made by the C++ codec."""
    code = bytes.fromhex("00000000000000000000000006000000010000009f18a12300000031")
    image = decode_compressed_depth(
        np.frombuffer(code, np.uint8), "16UC1; compressedDepth rvl", "/d"
    )
    assert image.dtype == np.uint16
    assert image.tolist() == [[0, 0, 5, 4, 1000, 0]]


@given(
    hnp.arrays(
        np.uint16,
        hnp.array_shapes(min_dims=2, max_dims=2, min_side=1, max_side=12),
        elements=st.one_of(st.just(0), st.integers(0, 65535)),
    )
)
@settings(max_examples=80, deadline=None)
def test_rvl_and_png_give_back_what_was_written(image: Depth) -> None:
    for data, form in (
        (rvl_message(image), "16UC1; compressedDepth rvl"),
        (png_message(image), "16UC1; compressedDepth png"),
        (png_message(image), "16UC1; compressedDepth"),
    ):
        decoded = decode_compressed_depth(data, form, "/d")
        assert decoded.dtype == np.uint16
        np.testing.assert_array_equal(decoded, image)


@pytest.mark.parametrize("packing", ["rvl", "png"])
def test_float_depth_is_quantised_inverse_depth(packing: str) -> None:
    """z = 100 / (q + 1): q = 49 is 2 m, q = 199 is 0.5 m, q = 0 is no measurement."""
    quantised = np.array([[49, 0, 199]], np.uint16)
    data = rvl_message(quantised) if packing == "rvl" else png_message(quantised)
    metres = decode_compressed_depth(data, f"32FC1; compressedDepth {packing}", "/d")
    assert metres.dtype == np.float32
    np.testing.assert_array_equal(metres, np.array([[2.0, np.nan, 0.5]], np.float32))


@given(st.integers(0, 60), st.integers(0, 5))
@settings(max_examples=60, deadline=None)
def test_rvl_that_breaks_off_is_refused_or_whole(length: int, seed: int) -> None:
    image = np.random.default_rng(seed).integers(0, 3000, (4, 6)).astype(np.uint16)
    whole = rvl_message(image)
    try:
        decoded = decode_compressed_depth(whole[:length], "16UC1; compressedDepth rvl", "/d")
    except BagError:
        return
    np.testing.assert_array_equal(decoded, image)


@pytest.mark.parametrize(
    ("data", "form", "words"),
    [
        (bytes(12), "16UC1; compressedDepth png", r"\(format .*, 12 bytes\) cannot be decoded"),
        (bytes(3), "16UC1; compressedDepth rvl", "expected whole RVL data"),
        (bytes(40), "16UC1; compressedDepth rvl", "expected whole RVL data"),
        (bytes(12) + b"\xff" * 40, "16UC1; compressedDepth rvl", "states 4294967295x4294967295"),
        (bytes(40), "16UC1; compressedDepth zstd", "packed as 'zstd'.*png and rvl are known"),
    ],
)
def test_damage_is_named(data: bytes, form: str, words: str) -> None:
    with pytest.raises(BagError, match=words):
        decode_compressed_depth(np.frombuffer(data, np.uint8), form, "/d")


def test_eight_bits_are_no_depth() -> None:
    grey = png_message(np.zeros((2, 2), np.uint8))
    with pytest.raises(BagError, match="one channel with 16 bits"):
        decode_compressed_depth(grey, "16UC1; compressedDepth png", "/d")


@pytest.mark.shared_data
def test_a_real_depth_image_survives_rvl(shared_data: Path) -> None:
    file = shared_data / "depth" / "seven_scenes" / "frame-000000.depth.png"
    image = np.asarray(cv2.imread(str(file), cv2.IMREAD_UNCHANGED))[:120, :160]
    decoded = decode_compressed_depth(
        rvl_message(np.ascontiguousarray(image)), "16UC1; compressedDepth rvl", "/d"
    )
    np.testing.assert_array_equal(decoded, image)
