# SPDX-License-Identifier: Apache-2.0
"""RGB messages that do not say what they hold: depth, byte order, and nameless channels."""

import cv2
import numpy as np
import numpy.typing as npt
import pytest

from segrgbx_core.errors import BagError, InputError
from segrgbx_ros.messages.images import (
    AnyImage,
    image_message,
    labels_from_message,
    reading_from_message,
    rgb_from_message,
)
from segrgbx_ros.messages.readings import XDecoder
from segrgbx_ros.messages.rgb_words import RgbSettings, RgbWords
from segrgbx_ros.messages.types import COMPRESSED_IMAGE, header, message

HEAD = header(1_700_000_000_000_000_000, "camera")
Y, X = np.mgrid[:48, :64]
COLOUR = np.dstack([X * 3 + 20, 230 - Y * 4, X + Y]).astype(np.uint8)
WARM = (X * 50 + Y * 17 + 28_000).astype(np.uint16)


def compressed(array: npt.NDArray[np.generic], ending: str, form: str) -> AnyImage:
    data = cv2.imencode(ending, array)[1].reshape(-1)
    made: AnyImage = message(COMPRESSED_IMAGE, header=HEAD, format=form, data=data)
    return made


def mosaic(colour: npt.NDArray[np.uint16]) -> npt.NDArray[np.uint16]:
    """rggb: red, green; green, blue."""
    out = colour[..., 1].copy()
    out[::2, ::2], out[1::2, 1::2] = colour[::2, ::2, 0], colour[1::2, 1::2, 2]
    return out


def deep(bits: int) -> npt.NDArray[np.uint16]:
    """COLOUR in words of that many bits."""
    most = (1 << bits) - 1
    return np.asarray((COLOUR.astype(np.uint32) * most + 127) // 255, np.uint16)


@pytest.mark.parametrize("bits", [8, 10, 12, 14, 16])
@pytest.mark.parametrize("encoding", ["rgb16", "bgr16", "rgba16", "bayer_rggb16", "mono16", "png"])
def test_every_depth_gives_the_same_picture(bits: int, encoding: str) -> None:
    words, stored = RgbWords(), deep(bits)
    if encoding.startswith("bgr"):
        stored = stored[..., ::-1]
    if encoding == "rgba16":
        stored = np.dstack([stored, stored[..., 0]])
    if encoding == "bayer_rggb16":
        stored = mosaic(stored)
    if encoding == "mono16":
        stored = stored[..., 0]
    msg: AnyImage = (
        compressed(stored[..., ::-1], ".png", "rgb16; png compressed bgr16")
        if encoding == "png"
        else image_message(stored, encoding, HEAD)
    )
    rgb = rgb_from_message(msg, "/rgb", words=words)
    right = COLOUR if encoding != "mono16" else np.dstack([COLOUR[..., 0]] * 3)
    inner = np.s_[2:-2, 2:-2]
    assert np.abs(rgb[inner].astype(int) - right[inner]).max() <= (4 if "bayer" in encoding else 1)
    if bits == 16:
        assert words.notes("/rgb") == []
    else:
        (said,) = words.notes("/rgb")
        assert f"/rgb have no value above {(1 << bits) - 1}, so they are taken as {bits}" in said
        assert "rgb.bits (--rgb-bits)" in said


def test_the_depth_only_grows() -> None:
    words = RgbWords()
    dark = image_message(deep(10), "rgb16", HEAD)
    rgb_from_message(dark, "/rgb", words=words)
    rgb_from_message(image_message(deep(12), "rgb16", HEAD), "/rgb", words=words)
    now = rgb_from_message(dark, "/rgb", words=words)
    assert now.max() <= COLOUR.max() // 4 + 1
    assert "10 bits and, from brighter images on, as 12" in words.notes("/rgb")[0]


def test_a_stated_depth_is_kept_in_silence() -> None:
    words = RgbWords(RgbSettings(bits=16))
    rgb = rgb_from_message(image_message(deep(12), "rgb16", HEAD), "/rgb", words=words)
    assert rgb.max() <= 16
    assert words.notes("/rgb") == []
    with pytest.raises(InputError, match=r"bits is 11; .*8, 10, 12, 14, 16"):
        RgbSettings(bits=11)
    with pytest.raises(InputError, match="byte_order 'little'"):
        RgbSettings(byte_order="little")


@pytest.mark.parametrize("encoding", ["rgb16", "bayer_rggb16"])
def test_the_other_byte_order_is_doubted_and_can_be_set(encoding: str) -> None:
    stored = deep(12) if encoding == "rgb16" else mosaic(deep(12))
    noise = np.random.default_rng(0).integers(0, 16, stored.shape).astype(np.uint16)
    msg = image_message((stored | noise).byteswap(), encoding, HEAD)
    words = RgbWords()
    rgb_from_message(msg, "/rgb", words=words)
    assert any("bytes of each value swapped: set rgb.byte_order" in s for s in words.notes("/rgb"))
    told = RgbWords(RgbSettings(byte_order="swapped"))
    rgb = rgb_from_message(msg, "/rgb", words=told)
    assert np.abs(rgb[4:-4, 4:-4].astype(int) - COLOUR[4:-4, 4:-4]).max() <= 5
    assert not any("swapped" in said for said in told.notes("/rgb"))


@pytest.mark.parametrize(
    ("encoding", "told", "stored"),
    [
        ("8UC3", "bgr8", COLOUR[..., ::-1]),
        ("8UC3", "rgb8", COLOUR),
        ("8UC4", "bgra8", np.dstack([COLOUR[..., ::-1], COLOUR[..., 0]])),
        ("16UC3", "bgr16", deep(12)[..., ::-1]),
        ("rgb8", "bgr8", COLOUR[..., ::-1]),
    ],
)
def test_nameless_channels_are_taken_as_told(
    encoding: str, told: str, stored: npt.NDArray[np.generic]
) -> None:
    msg = image_message(stored, encoding, HEAD)
    rgb = rgb_from_message(msg, "/rgb", words=RgbWords(RgbSettings(encoding=told)))
    assert np.abs(rgb.astype(int) - COLOUR).max() <= 1
    if encoding != "rgb8":
        with pytest.raises(BagError, match=rf"'{encoding}', which does not say .*{told}"):
            rgb_from_message(msg, "/rgb")


def test_an_encoding_of_another_size_is_not_taken() -> None:
    with pytest.raises(BagError, match="64x48 rgba8 with step 192"):
        rgb_from_message(
            image_message(COLOUR, "8UC3", HEAD), "/rgb", words=RgbWords(RgbSettings("rgba8"))
        )


@pytest.mark.parametrize("form", ["mono8", "jpeg"])
def test_a_grey_camera_serves_as_rgb(form: str) -> None:
    grey = COLOUR[..., 0]
    msg = (
        image_message(grey, "mono8", HEAD) if form == "mono8" else compressed(grey, ".jpg", "jpeg")
    )
    rgb = rgb_from_message(msg, "/rgb")
    assert (rgb == rgb[..., :1]).all()
    assert np.abs(rgb[..., 0].astype(int) - grey).max() <= 4


@pytest.mark.parametrize("source", ["mono16", "16UC1", " 32FC1"])
@pytest.mark.parametrize("modality", ["thermal", "depth"])
def test_deep_readings_in_jpeg_are_lost(source: str, modality: str) -> None:
    picture = np.minimum(WARM, 255).astype(np.uint8)
    msg = compressed(picture, ".jpg", f"{source}; jpeg compressed ")
    with pytest.raises(
        BagError, match=rf"JPEG has 8 bits.*{source.strip()} readings held is lost"
    ):
        XDecoder(modality, "/x")(msg)
    named_png = compressed(picture, ".jpg", f"{source}; png compressed ")
    with pytest.raises(BagError, match="JPEG has 8 bits"):
        XDecoder(modality, "/x")(named_png)


def test_eight_bits_in_jpeg_and_sixteen_in_png_are_taken() -> None:
    picture = (WARM // 256).astype(np.uint8)
    eight = XDecoder("thermal", "/x")(compressed(picture, ".jpg", "mono8; jpeg compressed "))
    assert isinstance(eight, np.ndarray)
    assert eight.dtype == np.uint8
    whole = XDecoder("thermal", "/x")(compressed(WARM, ".png", "mono16; png compressed "))
    np.testing.assert_array_equal(np.asarray(whole), WARM)


@pytest.mark.parametrize("modality", ["thermal", "depth"])
def test_floats_in_tiff_are_taken(modality: str) -> None:
    values = (WARM / 1000).astype(np.float32)
    for stored in (values, values.astype(np.float64)):
        msg = compressed(stored, ".tiff", "32FC1; tiff compressed ")
        read = np.asarray(XDecoder(modality, "/x")(msg))
        assert read.dtype == np.float32
        np.testing.assert_array_equal(read, values)


@pytest.mark.parametrize(
    ("stored", "encoding", "kind"),
    [
        (WARM.astype(np.int16), "16SC1", np.uint16),
        ((WARM.astype(np.int32) - 30_000).astype(np.int16), "16SC1", np.float32),
        (WARM.astype(np.int32), "32SC1", np.uint16),
        (WARM / 1000, "64FC1", np.float32),
        (np.dstack([WARM // 256] * 3).astype(np.uint8), "8UC3", np.uint8),
        (np.dstack([WARM // 256] * 3).astype(np.uint8), "rgb8", np.uint8),
        (
            np.dstack([*[WARM // 256] * 3, np.full_like(WARM, 255)]).astype(np.uint8),
            "bgra8",
            np.uint8,
        ),
    ],
)
@pytest.mark.parametrize("modality", ["thermal", "depth", "polarization"])
def test_readings_of_other_types_and_of_equal_channels(
    stored: npt.NDArray[np.generic], encoding: str, kind: type[np.generic], modality: str
) -> None:
    read = np.asarray(XDecoder(modality, "/x")(image_message(stored, encoding, HEAD)))
    assert read.dtype == kind
    one = stored if stored.ndim == 2 else stored[..., 0]
    np.testing.assert_array_equal(read, one.astype(kind))


def test_numbers_beyond_every_reading_are_told() -> None:
    far = image_message(np.full((4, 4), 1 << 30, np.int32), "32SC1", HEAD)
    with pytest.raises(BagError, match=r"/x \(32SC1\) has numbers of type int32 .*0 to 65535"):
        reading_from_message(far, "/x")


IDS = (X // 20 + 3 * (Y // 30)).astype(np.uint8)


@pytest.mark.parametrize(
    ("stored", "encoding"),
    [
        (np.dstack([IDS] * 3), "rgb8"),
        (np.dstack([IDS] * 3), "8UC3"),
        (np.dstack([IDS, IDS, IDS, np.full_like(IDS, 255)]), "bgra8"),
        (IDS.astype(np.uint16), "mono16"),
        (IDS.astype(np.int32), "32SC1"),
    ],
)
def test_labels_in_equal_channels_and_wider_numbers(
    stored: npt.NDArray[np.generic], encoding: str
) -> None:
    assert (labels_from_message(image_message(stored, encoding, HEAD), "/gt") == IDS).all()
    if stored.dtype == np.uint8:
        picture = compressed(stored, ".png", "png")
        assert (labels_from_message(picture, "/gt") == IDS).all()


def test_labels_that_are_none() -> None:
    with pytest.raises(BagError, match=r"'rgb8' pictures.*three equal ones"):
        labels_from_message(image_message(COLOUR, "rgb8", HEAD), "/gt")
    with pytest.raises(BagError, match=r"label 28067; .*0 to 254"):
        labels_from_message(image_message(WARM[:2, :2], "mono16", HEAD), "/gt")
    named_png = compressed(IDS, ".jpg", "png")
    with pytest.raises(BagError, match="no class ids"):
        labels_from_message(named_png, "/gt")
    unlabelled = image_message(np.full((2, 2), -1, np.int32), "32SC1", HEAD)
    assert (labels_from_message(unlabelled, "/gt") == 255).all()
