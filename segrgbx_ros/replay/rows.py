# SPDX-License-Identifier: Apache-2.0
"""The lines of a replay's `frames.csv`: each RGB image with its mask, or why it has none."""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from segrgbx_core.labels.label_set import LabelSet
from segrgbx_core.runs.rows import FrameRow
from segrgbx_core.segmentation import class_fractions
from segrgbx_ros.pipeline import SegmentedFrame
from segrgbx_ros.replay.output import FrameContext
from segrgbx_ros.replay.resume import FrameFacts
from segrgbx_ros.replay.scoring import FrameTruth

UNREADABLE = "unreadable_rgb_message"


class RowKeeper:
    """Knows which RGB images have come and have no line yet."""

    def __init__(self, label_set: LabelSet) -> None:
        self._names = label_set.names
        self._waiting: dict[int, None] = {}
        self._ready: list[FrameRow] = []

    def arrived(self, stamp_ns: int) -> None:
        """Notes an image that came."""
        self._waiting[stamp_ns] = None

    def dropped(self, stamp_ns: int, reason: str) -> None:
        """Notes an image that got no mask."""
        self._waiting.pop(stamp_ns, None)
        self._ready.append(FrameRow(None, "", stamp_ns, reason))

    def refused(self, stamp_ns: int, reasons: Mapping[str, int]) -> None:
        """Notes what became of an image by the drops that were counted for it.

        Drops of other images for want of X have been noted already.
        """
        for reason in reasons:
            if not reason.startswith("rgb_without"):
                keeps = reason.startswith("duplicate") and stamp_ns in self._waiting
                self.dropped(stamp_ns, reason)
                if keeps:
                    self._waiting[stamp_ns] = None

    def unreadable(self) -> None:
        """Notes an RGB message that could not be read."""
        self._ready.append(FrameRow(None, "", None, UNREADABLE))

    def taken(self) -> list[FrameRow]:
        """The lines of drops since the last call."""
        ready, self._ready = self._ready, []
        return ready

    def left(self, reason: str) -> list[FrameRow]:
        """The lines of everything that still waits, at the end, and of the last drops."""
        waiting = [FrameRow(None, "", stamp, reason) for stamp in self._waiting]
        return [*self.taken(), *waiting]

    def has_mask(self, stamp_ns: int) -> None:
        """Notes an image whose mask is being written."""
        self._waiting.pop(stamp_ns, None)

    def segmented(
        self,
        index: int,
        done: SegmentedFrame,
        context: FrameContext,
        known: FrameTruth,
        facts: FrameFacts,
    ) -> FrameRow:
        """The line of a mask."""
        shares, unlabelled = class_fractions(done.segmentation)
        skew, confidence = done.frame.skew_ns, facts.confidence
        named = dict(zip(self._names, (float(share) for share in shares), strict=True))
        row = FrameRow(
            index=index,
            stem=f"{index:06d}",
            stamp_ns=done.frame.rgb_stamp_ns,
            condition=known.condition,
            confidence=confidence if np.isfinite(confidence) else None,
            x_used=done.x_used,
            x_held=done.x_used and (context.x_held or done.x_held),
            x_reason="" if done.x_used else context.x_reason,
            x_valid=None if done.planes is None else float(done.planes.valid.mean()),
            skew_ms=None if skew is None else skew / 1e6,
            shares={**named, "unlabelled": unlabelled},
            decode_ms=facts.stage_ms.get("decode"),
            encode_ms=facts.stage_ms.get("encode"),
            model_ms=facts.stage_ms.get("model"),
            output_ms=facts.stage_ms.get("output"),
        )
        return _scored(row, known)


def _scored(row: FrameRow, known: FrameTruth) -> FrameRow:
    if known.scores is None:
        return row
    with_x, alone = known.scores.with_x, known.scores.alone
    scored = replace(
        row,
        miou=with_x.miou,
        pixel_accuracy=with_x.pixel_accuracy,
        ious=with_x.per_class_iou,
    )
    if alone is None:
        return scored
    return replace(
        scored,
        rgb_alone_miou=alone.miou,
        rgb_alone_pixel_accuracy=alone.pixel_accuracy,
        rgb_alone_ious=alone.per_class_iou,
    )
