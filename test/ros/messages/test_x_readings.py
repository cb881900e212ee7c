# SPDX-License-Identifier: Apache-2.0
"""The messages that each modality accepts as a reading, and the errors for the others."""

import cv2
import numpy as np
import numpy.typing as npt
import pytest

from segrgbx_core.errors import SegRgbxError
from segrgbx_ros.messages.images import AnyImage, image_message
from segrgbx_ros.messages.readings import XDecoder
from segrgbx_ros.messages.sensors import sensors_of_type
from segrgbx_ros.messages.types import COMPRESSED_IMAGE, IMAGE, header, message

HEAD = header(1_000, "x")
GREY = np.arange(16, dtype=np.uint8).reshape(4, 4)
COLOUR = np.dstack([GREY, GREY + 16, GREY + 32])


def image(pixels: npt.NDArray[np.generic], encoding: str) -> AnyImage:
    return image_message(pixels, encoding, HEAD)


def compressed(pixels: npt.NDArray[np.generic], ending: str) -> AnyImage:
    data = cv2.imencode(f".{ending}", np.asarray(pixels))[1].reshape(-1)
    made: AnyImage = message(COMPRESSED_IMAGE, header=HEAD, format=ending, data=data)
    return made


@pytest.mark.parametrize("modality", sensors_of_type(IMAGE))
def test_every_image_sensor_takes_grey(modality: str) -> None:
    decode = XDecoder(modality, "/x")
    for pixels, encoding in ((GREY, "mono8"), (GREY.astype(np.uint16), "16UC1")):
        reading = decode(image(pixels, encoding))
        assert isinstance(reading, np.ndarray)
        assert reading.dtype == pixels.dtype
        np.testing.assert_array_equal(reading, pixels)


@pytest.mark.parametrize("modality", ["thermal", "light_field"])
def test_colour_comes_red_first(modality: str) -> None:
    decode = XDecoder(modality, "/x")
    np.testing.assert_array_equal(decode(image(COLOUR[..., ::-1], "bgr8")), COLOUR)
    np.testing.assert_array_equal(decode(compressed(COLOUR[..., ::-1], "png")), COLOUR)


def test_a_mosaic_may_be_called_bayer() -> None:
    decode = XDecoder("polarization", "/x")
    np.testing.assert_array_equal(decode(image(GREY, "bayer_rggb8")), GREY)
    np.testing.assert_array_equal(decode(compressed(GREY, "png")), GREY)


@pytest.mark.parametrize(
    ("modality", "msg", "words"),
    [
        ("depth", image(COLOUR, "rgb8"), "'rgb8', which an X"),
        ("depth", image(GREY, "bayer_rggb8"), "encoding 'bayer_rggb8'"),
        ("depth", compressed(COLOUR, "png"), "coloured picture"),
        ("polarization", image(COLOUR, "rgb8"), "accepted: mono8,.*bayer_rggb8"),
        ("polarization", compressed(GREY, "jpg"), "JPEG mixes the angles"),
        ("thermal", image(np.dstack([GREY] * 2), "8UC2"), r"'8UC2'.*accepted: mono8"),
        ("event", image(GREY, "mono8"), "'event' needs EventPacket"),
    ],
)
def test_the_others_are_refused_in_words(modality: str, msg: AnyImage, words: str) -> None:
    with pytest.raises(SegRgbxError, match=words):
        XDecoder(modality, "/x")(msg)
