# SPDX-License-Identifier: Apache-2.0
"""Whether the figures of a summary that was read can be those of a replay."""

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from segrgbx_core.errors import InputError
from segrgbx_core.modality import MODALITIES, NO_X

if TYPE_CHECKING:
    from segrgbx_ros.replay.summary import ReplaySummary

UNLABELLED_SHARE = "unlabelled"
_ROUNDING = 1e-3


def check_summary(summary: "ReplaySummary", place: str) -> None:
    """Raises InputError, which starts with the place, for the first figure that cannot be."""
    fault = next(_faults(summary), None)
    if fault is not None:
        raise InputError(f"{place} holds {fault}, which no replay wrote.")


def _faults(s: "ReplaySummary") -> Iterator[str]:
    yield from _counts(s)
    yield from _shares(s)
    yield from _times(s)
    yield from _classes(s)
    if s.modality != NO_X and s.modality not in MODALITIES:
        yield f"modality '{s.modality}'"
    if s.recording.complete is not (s.recording.lost is None):
        yield f"complete {s.recording.complete} beside lost data of {s.recording.lost!r}"


def _counts(s: "ReplaySummary") -> Iterator[str]:
    f = s.frames
    counts: Mapping[str, int] = {
        "rgb_in": f.rgb_in,
        "x_in": f.x_in,
        "paired": f.paired,
        "segmented": f.segmented,
        "frames_scored": s.frames_scored,
        **f.dropped,
        **s.topic_messages,
    }
    yield from (f"{name} {count}" for name, count in counts.items() if count < 0)
    if not s.frames_scored <= f.segmented <= f.rgb_in:
        yield f"{s.frames_scored} masks scored of {f.segmented} of {f.rgb_in} images"
    if (s.miou is None) is not (s.per_class_iou is None):
        yield f"miou {s.miou} beside per_class_iou {s.per_class_iou}"


def _shares(s: "ReplaySummary") -> Iterator[str]:
    shares = {
        "miou": s.miou,
        "pixel_accuracy": s.pixel_accuracy,
        "mean_confidence": s.mean_confidence,
        **s.class_fractions,
        **{f"IoU of {name}": iou for name, iou in (s.per_class_iou or {}).items()},
    }
    yield from (f"{n} {v}" for n, v in shares.items() if v is not None and not 0 <= v <= 1)
    total = sum(s.class_fractions.values())
    if abs(total - 1) > _ROUNDING:
        yield f"class_fractions of {total:.3f} in sum"


def _times(s: "ReplaySummary") -> Iterator[str]:
    for name, t in s.stage_ms.items():
        if not 0 <= t.p50 <= t.p95:
            yield f"stage_ms.{name} {t.p50} and {t.p95}"
    if s.skew_ms is not None and not 0 <= s.skew_ms.p50 <= s.skew_ms.p95 <= s.skew_ms.max:
        yield f"skew_ms {s.skew_ms.p50}, {s.skew_ms.p95} and {s.skew_ms.max}"
    if s.recording.duration_s < 0:
        yield f"duration_s {s.recording.duration_s}"


def _classes(s: "ReplaySummary") -> Iterator[str]:
    for name, colour in s.class_colors.items():
        if not all(0 <= value <= 255 for value in colour):
            yield f"the colour {list(colour)} of {name}"
    if set(s.class_fractions) != {*s.class_colors, UNLABELLED_SHARE}:
        yield "class_fractions of other classes than class_colors"
    if s.per_class_iou is not None and set(s.per_class_iou) != set(s.class_colors):
        yield "per_class_iou of other classes than class_colors"
