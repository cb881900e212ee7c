# SPDX-License-Identifier: Apache-2.0
"""What SegmentationStatus tells of one mask: the same in a replay and live."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from segrgbx_core.labels import UNLABELLED
from segrgbx_core.segmentation import Segmentation
from segrgbx_ros.pipeline import SegmentedFrame, mean_confidence


@dataclass(frozen=True)
class FrameStatus:
    """The message's fields but the header, in its units; see msg/SegmentationStatus.msg."""

    modality: str
    x_used: bool
    x_held: bool
    x_reason: str
    skew_ms: float
    age_ms: float
    decode_ms: float
    encode_ms: float
    model_ms: float
    output_ms: float
    frames_segmented: int
    frames_dropped: int
    drop_reasons: list[str]
    drop_counts: npt.NDArray[np.uint64]
    mean_confidence: float
    class_fractions: npt.NDArray[np.float32]
    unlabelled_fraction: float
    model: str


def frame_status(
    done: SegmentedFrame,
    model: str,
    frames_segmented: int,
    dropped: Mapping[str, int],
    output_ms: float,
    age_ms: float = float("nan"),
    x_held: bool = False,
    x_reason: str = "",
) -> FrameStatus:
    """From a segmented frame; dropped: RGB images given up so far, by reason.

    x_reason: why there was no X, where the caller knows it.
    """
    segmentation, skew_ns = done.segmentation, done.frame.skew_ns
    x_used = segmentation.modality != "none"
    counted = {reason: n for reason, n in sorted(dropped.items()) if n}
    shares, unlabelled = class_fractions(segmentation)
    return FrameStatus(
        modality=segmentation.modality,
        x_used=x_used,
        x_held=x_used and x_held,
        x_reason="" if x_used else x_reason or _why_unused(done),
        skew_ms=float("nan") if skew_ns is None else skew_ns / 1e6,
        age_ms=age_ms,
        decode_ms=done.timings_ms.get("decode", float("nan")),
        encode_ms=done.timings_ms.get("encode", float("nan")),
        model_ms=done.timings_ms.get("model", float("nan")),
        output_ms=output_ms,
        frames_segmented=frames_segmented,
        frames_dropped=sum(counted.values()),
        drop_reasons=list(counted),
        drop_counts=np.array(list(counted.values()), np.uint64),
        mean_confidence=mean_confidence(segmentation),
        class_fractions=shares,
        unlabelled_fraction=unlabelled,
        model=model,
    )


def class_fractions(segmentation: Segmentation) -> tuple[npt.NDArray[np.float32], float]:
    """Share of the mask's pixels by class id (classes,) float32, and of unlabelled ones."""
    counts = np.bincount(segmentation.labels.ravel(), minlength=256)
    shares = counts / max(1, segmentation.labels.size)
    classes = len(segmentation.label_set.classes)
    return shares[:classes].astype(np.float32), float(shares[UNLABELLED])


def _why_unused(done: SegmentedFrame) -> str:
    if done.frame.x is None:
        return "modality none: RGB alone was asked for"
    return f"the {done.frame.modality.replace('_', ' ')} reading has no valid pixel"
