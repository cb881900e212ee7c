# SPDX-License-Identifier: Apache-2.0
"""Image messages to arrays and back, each encoding compared with values computed by hand."""

from collections.abc import Callable
from types import SimpleNamespace

import cv2
import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from segrgbx_core.errors import BagError
from segrgbx_ros.messages.images import (
    AnyImage,
    image_message,
    labels_from_message,
    reading_from_message,
    rgb_from_message,
    stamp_ns,
)
from segrgbx_ros.messages.types import (
    COMPRESSED_IMAGE,
    IMAGE,
    deserialized,
    header,
    message,
    typestore,
)

HEAD = header(1_700_000_000_000_000_123, "camera")


def image(
    data: npt.NDArray[np.uint8], width: int, height: int, encoding: str, step: int, big: int = 0
) -> AnyImage:
    made: AnyImage = message(
        IMAGE,
        header=HEAD,
        height=height,
        width=width,
        encoding=encoding,
        is_bigendian=big,
        step=step,
        data=data,
    )
    return made


def compressed(data: bytes, form: str) -> AnyImage:
    made: AnyImage = message(
        COMPRESSED_IMAGE, header=HEAD, format=form, data=np.frombuffer(data, np.uint8)
    )
    return made


def padded(array: npt.NDArray[np.generic], padding: int) -> tuple[npt.NDArray[np.uint8], int]:
    """The bytes of the rows with `padding` bytes of 0xEE after each, and the step."""
    rows = np.ascontiguousarray(array).view(np.uint8).reshape(array.shape[0], -1)
    data = np.pad(rows, ((0, 0), (0, padding)), constant_values=0xEE)
    return data.reshape(-1), data.shape[1]


def test_stamp_in_nanoseconds() -> None:
    assert stamp_ns(HEAD) == 1_700_000_000_000_000_123


@pytest.mark.parametrize("padding", [0, 5])
@pytest.mark.parametrize(
    ("encoding", "pixel"),
    [
        ("rgb8", [10, 20, 30]),
        ("bgr8", [30, 20, 10]),
        ("rgba8", [10, 20, 30, 99]),
        ("bgra8", [30, 20, 10, 99]),
    ],
)
def test_colour_encodings_come_out_red_first(
    encoding: str, pixel: list[int], padding: int
) -> None:
    stored = np.tile(np.array(pixel, np.uint8), (2, 3, 1))
    data, step = padded(stored, padding)
    rgb = rgb_from_message(image(data, 3, 2, encoding, step), "/rgb")
    assert rgb.shape == (2, 3, 3)
    assert rgb.dtype == np.uint8
    assert (rgb == [10, 20, 30]).all()


@pytest.mark.parametrize("big", [0, 1])
def test_sixteen_bit_colour_is_scaled(big: int) -> None:
    stored = np.full((2, 2, 3), [0, 257 * 128, 65535], ">u2" if big else "<u2")
    data, step = padded(stored, 0)
    rgb = rgb_from_message(image(data, 2, 2, "rgb16", step, big), "/rgb")
    assert (rgb == [0, 128, 255]).all()


def test_bayer_of_a_uniform_colour() -> None:
    stored = np.tile(np.array([[200, 100], [100, 50]], np.uint8), (4, 4))
    rgb = rgb_from_message(image(stored.reshape(-1), 8, 8, "bayer_rggb8", 8), "/rgb")
    assert (rgb[2:-2, 2:-2] == [200, 100, 50]).all()


@pytest.mark.parametrize(
    ("encoding", "pixels"), [("uyvy", [128, 90, 128, 90]), ("yuyv", [90, 128, 90, 128])]
)
def test_yuv_grey_is_grey(encoding: str, pixels: list[int]) -> None:
    rgb = rgb_from_message(image(np.array(pixels * 2, np.uint8), 2, 2, encoding, 4), "/rgb")
    assert rgb.shape == (2, 2, 3)
    assert np.ptp(rgb) <= 1


@pytest.mark.parametrize("encoding", ["nv12", "nv21"])
@pytest.mark.parametrize("padding", [0, 3])
def test_planar_yuv(encoding: str, padding: int) -> None:
    """Four rows of luma above two of chroma: grey, except for a blue cast in the left half."""
    stored = np.full((6, 4), 128, np.uint8)
    stored[:4] = 90
    stored[4:, 0 if encoding == "nv12" else 1] = 200
    data, step = padded(stored, padding)
    rgb = rgb_from_message(image(data, 4, 4, encoding, step), "/rgb")
    assert rgb.shape == (4, 4, 3)
    assert np.ptp(rgb[:, 2:]) <= 1
    assert (rgb[:, :2, 2] > rgb[:, :2, 0].astype(int) + 50).all()


def test_sixteen_bits_are_rounded_to_eight() -> None:
    """x / 257: 128 is nearer to 0, 129 nearer to 1."""
    stored = np.array([[[0, 128, 129], [65534, 65407, 65406]]], np.uint16)
    data, step = padded(stored, 0)
    rgb = rgb_from_message(image(data, 2, 1, "rgb16", step), "/rgb")
    assert rgb.tolist() == [[[0, 0, 1], [255, 255, 254]]]


def test_byte_order_says_nothing_of_single_bytes() -> None:
    data = np.arange(6, dtype=np.uint8)
    msg = image(data, 3, 2, "mono8", 3, big=1)
    assert reading_from_message(msg, "/t").tolist() == [[0, 1, 2], [3, 4, 5]]


def test_a_picture_that_breaks_off_is_not_filled_with_grey() -> None:
    rng = np.random.default_rng(0)
    for ending in (".png", ".jpg"):
        whole = cv2.imencode(ending, rng.integers(0, 256, (32, 32, 3)).astype(np.uint8))[1]
        cut = compressed(whole.tobytes()[: whole.size // 2], ending[1:])
        with pytest.raises(BagError, match=r"cannot be decoded; expected whole"):
            rgb_from_message(cut, "/rgb")


@pytest.mark.parametrize("big", [0, 1])
@pytest.mark.parametrize("padding", [0, 6])
@pytest.mark.parametrize(
    ("encoding", "kind"), [("mono16", "u2"), ("16UC1", "u2"), ("32FC1", "f4")]
)
def test_readings_keep_values_and_depth(encoding: str, kind: str, padding: int, big: int) -> None:
    values = np.array([[1, 29315, 65535], [0, 7, 300]])
    data, step = padded(values.astype((">" if big else "<") + kind), padding)
    reading = reading_from_message(image(data, 3, 2, encoding, step, big), "/thermal")
    assert reading.dtype == np.dtype(kind)
    assert (reading == values).all()


def test_mono8_reading() -> None:
    reading = reading_from_message(image(np.arange(6, dtype=np.uint8), 3, 2, "mono8", 3), "/t")
    assert reading.dtype == np.uint8
    assert reading.tolist() == [[0, 1, 2], [3, 4, 5]]


@given(
    hnp.arrays(np.uint16, hnp.array_shapes(min_dims=2, max_dims=2, min_side=1, max_side=9)),
    st.integers(0, 7),
)
@settings(max_examples=50, deadline=None)
def test_any_step_gives_the_same_reading(values: npt.NDArray[np.uint16], padding: int) -> None:
    data, step = padded(values, padding)
    height, width = values.shape
    reading = reading_from_message(image(data, width, height, "mono16", step), "/t")
    assert (reading == values).all()


@pytest.mark.parametrize(
    ("dtype", "encoding", "channels"),
    [(np.uint8, "rgb8", 3), (np.uint8, "mono8", 1), (np.uint16, "mono16", 1)],
)
def test_there_and_back_through_cdr(
    dtype: type[np.uint8 | np.uint16], encoding: str, channels: int
) -> None:
    rng = np.random.default_rng(1)
    shape = (4, 6, 3) if channels == 3 else (4, 6)
    array = rng.integers(0, np.iinfo(dtype).max, shape).astype(dtype)
    msg = image_message(array, encoding, HEAD)
    raw = bytes(typestore().serialize_cdr(msg, IMAGE))
    again = deserialized(raw, IMAGE)
    decode = rgb_from_message if channels == 3 else reading_from_message
    assert (decode(again, "/t") == array).all()
    assert again.step == array.strides[0]
    assert again.header == HEAD


def test_a_message_of_rclpy_has_the_same_attributes() -> None:
    """data is an array.array, as in rclpy."""
    from array import array

    msg = SimpleNamespace(
        header=HEAD,
        height=1,
        width=2,
        encoding="rgb8",
        is_bigendian=0,
        step=6,
        data=array("B", bytes(range(6))),
    )
    assert rgb_from_message(msg, "/rgb").tolist() == [[[0, 1, 2], [3, 4, 5]]]


def test_compressed_colour() -> None:
    bgr = np.full((8, 8, 3), [30, 20, 10], np.uint8)
    png = cv2.imencode(".png", bgr)[1].tobytes()
    assert (rgb_from_message(compressed(png, "png"), "/rgb") == [10, 20, 30]).all()
    jpeg = cv2.imencode(".jpg", bgr)[1].tobytes()
    lossy = rgb_from_message(compressed(jpeg, "rgb8; jpeg compressed bgr8"), "/rgb")
    assert np.abs(lossy.astype(int) - [10, 20, 30]).max() <= 3


def test_compressed_reading_keeps_sixteen_bits() -> None:
    values = np.array([[1, 65535], [29315, 0]], np.uint16)
    png = cv2.imencode(".png", values)[1].tobytes()
    for data, form in (
        (png, "mono16; png compressed "),
        (bytes(12) + png, "16UC1; compressedDepth png"),
    ):
        reading = reading_from_message(compressed(data, form), "/depth")
        assert reading.dtype == np.uint16
        assert (reading == values).all()


def test_compressed_inverse_depth() -> None:
    """depth = a / (q - b) with a = 100, b = -1: q = 49 is 2 m, q = 0 is no measurement."""
    head = np.zeros(12, np.uint8)
    head[4:].view("<f4")[:] = [100.0, -1.0]
    png = cv2.imencode(".png", np.array([[49, 0]], np.uint16))[1].tobytes()
    metres = reading_from_message(
        compressed(head.tobytes() + png, "32FC1; compressedDepth png"), "/depth"
    )
    assert metres.dtype == np.float32
    assert metres[0, 0] == 2.0
    assert np.isnan(metres[0, 1])


def test_labels() -> None:
    ids = np.array([[0, 255], [3, 4]], np.uint8)
    assert (labels_from_message(image(ids.reshape(-1), 2, 2, "mono8", 2), "/gt") == ids).all()
    png = cv2.imencode(".png", ids)[1].tobytes()
    assert (labels_from_message(compressed(png, "png"), "/gt") == ids).all()
    jpeg = cv2.imencode(".jpg", ids)[1].tobytes()
    with pytest.raises(BagError, match=r"'jpeg' .*mono8, raw or PNG"):
        labels_from_message(compressed(jpeg, "jpeg"), "/gt")


@pytest.mark.parametrize(
    ("decode", "encoding", "words"),
    [
        (rgb_from_message, "32FC1", r"/t has encoding '32FC1'.*accepted: rgb8, bgr8"),
        (rgb_from_message, "8UC3", "'8UC3', which does not say .* bgr8, which is OpenCV's order"),
        (reading_from_message, "rgb16", "'rgb16'.*accepted: mono8, 8UC1, mono16"),
        (reading_from_message, "", "encoding ''"),
        (labels_from_message, "32FC1", "'32FC1', which a label"),
    ],
)
def test_unknown_encoding_is_named(
    decode: Callable[[AnyImage, str], object], encoding: str, words: str
) -> None:
    with pytest.raises(BagError, match=words):
        decode(image(np.zeros(12, np.uint8), 2, 2, encoding, 6), "/t")


def test_truncated_data_is_named() -> None:
    msg = image(np.zeros(11, np.uint8), 2, 2, "rgb8", 6)
    with pytest.raises(BagError, match=r"/rgb has 11 bytes .*step 6 .* is 12"):
        rgb_from_message(msg, "/rgb")


@pytest.mark.parametrize(("width", "height", "step"), [(2, 2, 5), (0, 2, 6), (2, 0, 6)])
def test_impossible_size_is_named(width: int, height: int, step: int) -> None:
    msg = image(np.zeros(step * height, np.uint8), width, height, "rgb8", step)
    with pytest.raises(BagError, match=f"{width}x{height} rgb8 with step {step}"):
        rgb_from_message(msg, "/rgb")


@pytest.mark.parametrize("data", [b"", b"no picture"])
def test_undecodable_compressed_data_is_named(data: bytes) -> None:
    for decode in (rgb_from_message, reading_from_message, labels_from_message):
        with pytest.raises(BagError, match=r"/t .*'jpeg', .*cannot be decoded"):
            decode(compressed(data, "jpeg"), "/t")


def test_compressed_channels_are_checked() -> None:
    colour = cv2.imencode(".png", np.full((2, 2, 3), [1, 2, 3], np.uint8))[1].tobytes()
    with pytest.raises(BagError, match=r"/thermal .*coloured picture"):
        reading_from_message(compressed(colour, "png"), "/thermal")
    floats = cv2.imencode(".tiff", np.ones((2, 2), np.float32))[1].tobytes()
    with pytest.raises(BagError, match=r"/rgb .*float32 .*--rgb-topic"):
        rgb_from_message(compressed(floats, "tiff"), "/rgb")
