# SPDX-License-Identifier: Apache-2.0
"""The steps from a pair of messages to outputs, with a segmenter simple enough to predict."""

import math

import numpy as np
import pytest

from segrgbx_core.errors import InputError
from segrgbx_core.frame import Reading, RgbImage
from segrgbx_core.labels import load_label_set
from segrgbx_core.segmentation import Segmentation
from segrgbx_ros.images import AnyImage, image_message
from segrgbx_ros.message_types import header
from segrgbx_ros.pairing import Pair
from segrgbx_ros.pipeline import Pipeline, mean_confidence, render

LABELS = load_label_set("street")
RGB = np.arange(24, dtype=np.uint8).reshape(2, 4, 3)
X = np.array([[1, 2, 3, 4], [5, 6, 7, 8]], np.uint16)


class ThresholdSegmenter:
    """Class 1 where X is above 4, else 0; refuses readings that hold 99."""

    def __init__(self) -> None:
        self.calls: list[tuple[str | None, bool]] = []

    def __call__(
        self, rgb: RgbImage, x: Reading | None = None, modality: str | None = None
    ) -> Segmentation:
        self.calls.append((modality, x is not None))
        if x is not None and (x == 99).any():
            raise InputError("The reading holds 99; expected anything else.")
        labels = np.zeros(rgb.shape[:2], np.uint8) if x is None else (x > 4).astype(np.uint8)
        confidence = np.full(rgb.shape[:2], 0.5, np.float32)
        timings = {"encode": 1.0, "model": 2.0}
        return Segmentation(labels, confidence, LABELS, modality or "none", timings)


def pair(rgb: AnyImage | None = None, x: AnyImage | None = None) -> Pair[AnyImage, AnyImage]:
    head = header(1_000, "rgb_frame")
    rgb = rgb or image_message(RGB, "rgb8", head)  # type: ignore[arg-type, assignment]
    x = x or image_message(X, "mono16", head)  # type: ignore[arg-type, assignment]
    return Pair(1_000, rgb, 900, x)  # type: ignore[arg-type]


def test_messages_become_a_segmented_frame() -> None:
    segmenter = ThresholdSegmenter()
    done = Pipeline(segmenter, "thermal", "/rgb", "/x").process(pair())
    assert done is not None
    assert segmenter.calls == [("thermal", True)]
    assert (done.frame.rgb == RGB).all()
    assert done.frame.x is not None
    assert (done.frame.x == X).all()
    assert done.frame.skew_ns == -100
    assert done.frame.frame_id == "rgb_frame"
    assert set(done.timings_ms) == {"decode", "encode", "model"}
    assert done.timings_ms["decode"] > 0
    assert done.segmentation.labels.tolist() == [[0, 0, 0, 0], [1, 1, 1, 1]]


def test_rgb_alone() -> None:
    segmenter = ThresholdSegmenter()
    alone: Pair[AnyImage, AnyImage] = Pair(1_000, pair().rgb, None, None)
    done = Pipeline(segmenter, "none", "/rgb", None).process(alone)
    assert done is not None
    assert segmenter.calls == [(None, False)]
    assert done.frame.skew_ns is None


def test_a_bad_frame_is_counted_and_the_next_one_works() -> None:
    head = header(1_000, "f")
    pipeline = Pipeline(ThresholdSegmenter(), "thermal", "/rgb", "/x")
    grey = image_message(X, "mono16", head)  # type: ignore[arg-type]
    colour = image_message(RGB, "rgb8", head)  # type: ignore[arg-type]
    poison = image_message(np.full((2, 4), 99, np.uint16), "mono16", head)  # type: ignore[arg-type]
    assert pipeline.process(pair(rgb=grey)) is None  # type: ignore[arg-type]
    assert pipeline.process(pair(x=colour)) is None  # type: ignore[arg-type]
    assert pipeline.process(pair(x=poison)) is None  # type: ignore[arg-type]
    assert pipeline.process(pair(x=poison)) is None  # type: ignore[arg-type]
    assert pipeline.process(pair()) is not None
    assert pipeline.segmented == 1
    assert pipeline.refusals.counts == {
        "undecodable_rgb": 1,
        "undecodable_x": 1,
        "refused_by_segmenter": 2,
    }
    assert "Topic /rgb has encoding 'mono16'" in pipeline.refusals.first["undecodable_rgb"]
    assert "Topic /x has encoding 'rgb8'" in pipeline.refusals.first["undecodable_x"]
    assert "holds 99" in pipeline.refusals.first["refused_by_segmenter"]


def test_a_defect_is_not_hidden() -> None:
    def broken(*_: object) -> Segmentation:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        Pipeline(broken, "thermal", "/rgb", "/x").process(pair())


def test_outputs() -> None:
    done = Pipeline(ThresholdSegmenter(), "thermal", "/rgb", "/x").process(pair())
    assert done is not None
    outputs = render(done, overlay_alpha=1.0)
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
