# SPDX-License-Identifier: Apache-2.0
"""From a pair of messages to labels and pictures: the same steps live and in a replay.

pair of messages -> decode -> frame -> segmenter -> outputs. A frame that cannot be used is
counted under a reason, its sentence is kept, and the next one is tried.
"""

import time
from collections import Counter
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
import numpy.typing as npt

from segrgbx_core.errors import SegRgbxError
from segrgbx_core.frame import Reading, RgbImage, RgbxFrame
from segrgbx_core.labels import UNLABELLED
from segrgbx_core.segmentation import Segmentation
from segrgbx_ros.images import AnyImage, reading_from_message, rgb_from_message
from segrgbx_ros.pairing import Pair

MessagePair = Pair[AnyImage, AnyImage]


class FrameSegmenter(Protocol):
    """What the pipeline needs of `segrgbx_core.Segmenter`."""

    def __call__(
        self, rgb: RgbImage, x: Reading | None = None, modality: str | None = None
    ) -> Segmentation:
        """Labels and confidence of RGB's size; raises SegRgbxError for what it cannot use."""
        ...


@dataclass(frozen=True)
class SegmentedFrame:
    """timings_ms: milliseconds by stage: "decode", "encode", "model"."""

    frame: RgbxFrame
    segmentation: Segmentation
    timings_ms: dict[str, float]


@dataclass(frozen=True)
class Outputs:
    """mask: (H, W) uint8 ids; confidence: (H, W) uint8, 255 is 1; overlay: (H, W, 3) uint8."""

    mask: npt.NDArray[np.uint8]
    confidence: npt.NDArray[np.uint8]
    overlay: RgbImage


@dataclass
class Refusals:
    """counts: frames given up, by reason. first: the first sentence for each reason."""

    counts: Counter[str] = field(default_factory=Counter)
    first: dict[str, str] = field(default_factory=dict)

    def add(self, reason: str, sentence: str) -> None:
        """One more frame given up."""
        self.counts[reason] += 1
        self.first.setdefault(reason, sentence)


class Pipeline:
    """Decodes and segments one pair after the other."""

    def __init__(
        self, segmenter: FrameSegmenter, modality: str, rgb_topic: str, x_topic: str | None
    ) -> None:
        self._segmenter = segmenter
        self._modality = modality
        self._rgb_topic = rgb_topic
        self._x_topic = x_topic or ""
        self.refusals = Refusals()
        self.segmented = 0

    def process(self, pair: MessagePair) -> SegmentedFrame | None:
        """The segmented frame; None where it was refused, which `refusals` then counts."""
        start = time.perf_counter()
        frame = self._decoded(pair)
        if frame is None:
            return None
        decode_ms = (time.perf_counter() - start) * 1e3
        try:
            modality = None if frame.x is None else frame.modality
            result = self._segmenter(frame.rgb, frame.x, modality)
        except SegRgbxError as err:
            self.refusals.add("refused_by_segmenter", str(err))
            return None
        self.segmented += 1
        return SegmentedFrame(frame, result, {"decode": decode_ms, **result.timings_ms})

    def _decoded(self, pair: MessagePair) -> RgbxFrame | None:
        try:
            rgb = rgb_from_message(pair.rgb, self._rgb_topic)
        except SegRgbxError as err:
            self.refusals.add("undecodable_rgb", str(err))
            return None
        x: Reading | None = None
        if pair.x is not None:
            try:
                x = reading_from_message(pair.x, self._x_topic)
            except SegRgbxError as err:
                self.refusals.add("undecodable_x", str(err))
                return None
        frame_id = pair.rgb.header.frame_id
        stamps = (pair.rgb_stamp_ns, pair.x_stamp_ns)
        return RgbxFrame(rgb, x, self._modality, *stamps, frame_id)


def render(done: SegmentedFrame, overlay_alpha: float = 0.5) -> Outputs:
    """The pictures to publish; their time is the stage "output"."""
    segmentation = done.segmentation
    overlay = segmentation.overlay(done.frame.rgb, overlay_alpha)
    return Outputs(segmentation.labels, segmentation.confidence_image(), overlay)


def mean_confidence(segmentation: Segmentation) -> float:
    """Mean over the labelled pixels in 0..1; NaN where none is labelled."""
    labelled = segmentation.labels != UNLABELLED
    return float(segmentation.confidence[labelled].mean()) if labelled.any() else float("nan")
