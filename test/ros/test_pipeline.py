# SPDX-License-Identifier: Apache-2.0
"""The steps from a pair of messages to outputs, with a segmenter of predictable results."""

import math
from typing import Any, cast

import numpy as np
import numpy.typing as npt
import pytest

from segrgbx_core.encoding.stream import Encoder
from segrgbx_core.errors import InputError
from segrgbx_core.geometry.align import Homography
from segrgbx_core.labels.label_set import load_label_set
from segrgbx_core.readings import Events, Planes, Reading, RgbImage
from segrgbx_core.segmentation import Segmentation, mean_confidence
from segrgbx_ros.messages.images import AnyImage, PackedImage, convert_offline, image_message
from segrgbx_ros.messages.readings import XDecoder
from segrgbx_ros.messages.types import header
from segrgbx_ros.pairing.matching import MissingX, SyncSettings
from segrgbx_ros.pairing.nearest import Pair
from segrgbx_ros.pipeline import (
    EmptyWindows,
    MessagePair,
    Pipeline,
    pictures_of,
)

LABELS = load_label_set("street")
RGB = np.arange(24, dtype=np.uint8).reshape(2, 4, 3)
X = np.array([[1, 2, 3, 4], [5, 6, 7, 8]], np.uint16)


class ThresholdSegmenter:
    """Class 1 where plane 0 is above one half, otherwise 0; refuses RGB images that contain 99."""

    def __init__(self) -> None:
        self.calls: list[tuple[str | None, bool]] = []

    def __call__(
        self, rgb: RgbImage, x: Reading | Planes | None = None, modality: str | None = None
    ) -> Segmentation:
        self.calls.append((modality, x is not None))
        if (rgb == 99).any():
            raise InputError("The image holds 99; expected anything else.")
        labels = np.zeros(rgb.shape[:2], np.uint8)
        if isinstance(x, Planes) and x.valid.shape == labels.shape:
            labels = (x.data[0] > 0.5).astype(np.uint8)
        confidence = np.full(rgb.shape[:2], 0.5, np.float32)
        timings = {"encode": 1.0, "model": 2.0}
        return Segmentation(labels, confidence, LABELS, modality or "none", timings)


def pair(rgb: AnyImage | None = None, x: AnyImage | None = None) -> MessagePair:
    head = header(1_000, "rgb_frame")
    rgb = rgb or image_message(RGB, "rgb8", head)
    x = x or image_message(X, "mono16", head)
    return Pair(1_000, rgb, 900, x)


def test_messages_become_a_segmented_frame() -> None:
    segmenter = ThresholdSegmenter()
    done = Pipeline(segmenter, "thermal", "/rgb", "/x").process(pair())
    assert done is not None
    assert segmenter.calls == [("thermal", True)]
    assert (done.frame.rgb == RGB).all()
    assert done.frame.x is not None
    np.testing.assert_array_equal(np.asarray(done.frame.x), X)
    assert done.frame.skew_ns == -100
    assert done.frame.frame_id == "rgb_frame"
    assert set(done.timings_ms) == {"decode", "encode", "model"}
    assert done.timings_ms["decode"] > 0
    assert done.timings_ms["encode"] > 1.0
    assert done.planes is not None
    assert done.planes.valid.all()
    assert done.x_used
    assert done.segmentation.labels.tolist() == [[0, 0, 0, 0], [1, 1, 1, 1]]


def test_rgb_alone() -> None:
    segmenter = ThresholdSegmenter()
    alone: MessagePair = Pair(1_000, pair().rgb, None, None)
    done = Pipeline(segmenter, "none", "/rgb", None).process(alone)
    assert done is not None
    assert segmenter.calls == [(None, False)]
    assert done.frame.skew_ns is None
    assert done.planes is None
    assert not done.x_used


def test_a_bad_frame_is_counted_and_the_next_one_works() -> None:
    head = header(1_000, "f")
    pipeline = Pipeline(ThresholdSegmenter(), "thermal", "/rgb", "/x")
    floats = image_message(X.astype(np.float32), "32FC1", head)
    colour = image_message(RGB, "rgb8", head)
    twofold = image_message(np.dstack([X, X]), "16UC2", head)
    poison = image_message(np.full((2, 4, 3), 99, np.uint8), "rgb8", head)
    assert pipeline.process(pair(rgb=floats)) is None
    assert pipeline.process(pair(x=twofold)) is None
    assert pipeline.process(pair(x=colour)) is None
    assert pipeline.process(pair(rgb=poison)) is None
    assert pipeline.process(pair(rgb=poison)) is None
    assert pipeline.process(pair()) is not None
    assert pipeline.segmented == 1
    assert pipeline.refusals.counts == {
        "undecodable_rgb": 1,
        "undecodable_x": 1,
        "refused_by_encoding": 1,
        "refused_by_segmenter": 2,
    }
    assert "Topic /rgb has encoding '32FC1'" in pipeline.refusals.first["undecodable_rgb"]
    assert "Topic /x has encoding '16UC2'" in pipeline.refusals.first["undecodable_x"]
    assert "color_map" in pipeline.refusals.first["refused_by_encoding"]
    assert "holds 99" in pipeline.refusals.first["refused_by_segmenter"]


def test_a_defect_is_not_hidden() -> None:
    def broken(
        rgb: RgbImage, x: Reading | Planes | None = None, modality: str | None = None
    ) -> Segmentation:
        del rgb, x, modality
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        Pipeline(broken, "thermal", "/rgb", "/x").process(pair())


def test_outputs() -> None:
    done = Pipeline(ThresholdSegmenter(), "thermal", "/rgb", "/x").process(pair())
    assert done is not None
    outputs = pictures_of(done, overlay_alpha=1.0)
    assert outputs.mask.dtype == outputs.confidence.dtype == np.uint8
    assert (outputs.confidence == 128).all()
    assert outputs.overlay[0, 0].tolist() == list(LABELS.classes[0].color)
    assert outputs.overlay[1, 0].tolist() == list(LABELS.classes[1].color)


def test_confidence_is_of_labelled_pixels() -> None:
    labels = np.array([[0, 255]], np.uint8)
    confidence = np.array([[0.25, 0.75]], np.float32)
    assert mean_confidence(Segmentation(labels, confidence, LABELS, "none")) == 0.25
    nowhere = np.full((1, 2), 255, np.uint8)
    assert math.isnan(mean_confidence(Segmentation(nowhere, confidence, LABELS, "none")))


def test_the_encoder_aligns_onto_rgb() -> None:
    """X is shifted right by one pixel; its left column has no source and is invalid."""
    shift = Homography(np.array([[1.0, 0, 1], [0, 1, 0], [0, 0, 1]]))
    encoder = Encoder("thermal", None, shift)
    done = Pipeline(ThresholdSegmenter(), "thermal", "/rgb", "/x", encoder).process(pair())
    assert done is not None
    assert done.planes is not None
    assert done.planes.valid.tolist() == [[False, True, True, True]] * 2


def test_a_step_back_in_time_is_a_new_recording() -> None:
    class Counting(Encoder):
        resets = 0

        def reset(self) -> None:
            super().reset()
            self.resets += 1

    encoder = Counting("thermal")
    pipeline = Pipeline(ThresholdSegmenter(), "thermal", "/rgb", "/x", encoder)
    one = pair()
    for stamp_s in (10, 11, 10.5, 12, 3):
        stamp = round(stamp_s * 1e9)
        assert pipeline.process(Pair(stamp, one.rgb, stamp, one.x)) is not None
    assert encoder.resets == 1


def test_a_window_of_events_is_a_reading_already() -> None:
    one = np.array([1], np.uint16)
    events = Events(
        x=one,
        y=one,
        polarity=np.array([True]),
        t_ns=np.array([50]),
        width=4,
        height=2,
        start_ns=0,
        end_ns=100,
    )
    pipeline = Pipeline(ThresholdSegmenter(), "event", "/rgb", "/events")
    done = pipeline.process(Pair(100, pair().rgb, 100, events))
    assert done is not None
    assert done.frame.x is events
    assert done.planes is not None
    assert done.planes.valid.shape == (2, 4)


class Window:
    """An encoder of events of which each named stamp leaves valid pixels."""

    def __init__(self, *valid: bool) -> None:
        self._valid = list(valid)

    def __call__(self, _reading: Reading, rgb_size: tuple[int, int]) -> Planes:
        valid = np.full(rgb_size, self._valid.pop(0))
        return Planes(np.zeros((3, *rgb_size), np.float32), valid)

    def reset(self) -> None:
        pass


@pytest.mark.parametrize(
    ("policy", "masks", "held"),
    [
        ("drop", [0, 300], []),
        ("rgb_only", [0, 100, 200, 300], []),
        ("hold_last", [0, 100, 300], [100]),
    ],
)
def test_a_window_without_a_valid_pixel_obeys_missing_x(
    policy: MissingX, masks: list[int], held: list[int]
) -> None:
    """Windows at 0, 100, 200 and 300 ms, of which the second and third leave nothing."""
    sync = SyncSettings(missing_x=policy, hold_limit_s=0.15)
    pipeline = Pipeline(
        ThresholdSegmenter(),
        "event",
        "/rgb",
        "/events",
        Window(True, False, False, True),
        decode_x=cast(XDecoder, lambda message, _size: message),
        empty=EmptyWindows.of("event", sync),
    )
    done = []
    for ms in (0, 100, 200, 300):
        stamp = ms * 1_000_000
        frame = pipeline.process(Pair(stamp, pair().rgb, stamp, np.zeros((2, 4), np.uint8)))
        if frame is not None:
            done.append((ms, frame))
    assert [ms for ms, _ in done] == masks
    assert [ms for ms, frame in done if frame.x_held] == held
    assert pipeline.dropped["x_without_valid_pixel"] == 4 - len(masks)
    assert not pipeline.refusals.counts


def test_sensors_without_windows_are_rgb_alone_without_a_valid_pixel() -> None:
    assert EmptyWindows.of("thermal", SyncSettings()) is None


def test_images_are_converted_as_told() -> None:
    seen = []

    def convert(image: PackedImage, encoding: str | None) -> npt.NDArray[Any]:
        seen.append((image.encoding, encoding))
        return convert_offline(image, encoding)

    decode = XDecoder("thermal", "/x", convert)
    pipeline = Pipeline(
        ThresholdSegmenter(), "thermal", "/rgb", "/x", decode_x=decode, convert=convert
    )
    assert pipeline.process(pair()) is not None
    assert seen == [("rgb8", "rgb8"), ("mono16", None)]
