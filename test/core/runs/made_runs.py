# SPDX-License-Identifier: Apache-2.0
"""Run folders made on the spot, through the writers that replay itself uses."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from segrgbx_core.evaluation.metrics import ConfusionMeter, confusion_of
from segrgbx_core.files.images import write_png
from segrgbx_core.labels.label_set import LabelClass, LabelSet
from segrgbx_core.runs.counts import COUNTS_FILE, CountsCollector, write_counts
from segrgbx_core.runs.folder import LABELS_FILE, MASK_FOLDER, SUMMARY_FILE, write_labels
from segrgbx_core.runs.rows import FRAMES_FILE, FrameRow, RowWriter

THREE = LabelSet(
    "three",
    (
        LabelClass("road", (128, 64, 128)),
        LabelClass("car", (0, 0, 142)),
        LabelClass("person", (220, 20, 60)),
    ),
)
SECOND = 1_000_000_000


@dataclass(frozen=True)
class Made:
    """What a run folder is made of. masks, truths: (H, W) ids for each frame; alone: masks of RGB
    alone. stamps: None for files. drops: rows of images without a mask."""

    masks: Sequence[np.ndarray]
    truths: Sequence[np.ndarray] | None = None
    alone: Sequence[np.ndarray] | None = None
    conditions: Sequence[str] | None = None
    stamps: Sequence[int] | None = None
    stems: Sequence[str] | None = None
    drops: Sequence[FrameRow] = ()
    label_set: LabelSet = THREE
    facts: Mapping[str, object] = field(default_factory=dict)
    summary: Mapping[str, object] = field(default_factory=dict)
    model_ms: float = 10.0


def make(folder: Path, made: Made, keep_masks: bool = True) -> Path:
    """Writes the run's folder and returns it."""
    folder.mkdir(parents=True)
    facts = {
        "format": 1,
        "kind": "replay",
        "source": "drive",
        "model": "demo",
        "modality": "thermal",
        "label_set": made.label_set.name,
        "scored_by": None if made.truths is None else "/ground_truth/mask",
        "settings": {},
    }
    content = {"run": facts | dict(made.facts), **made.summary}
    (folder / SUMMARY_FILE).write_text(json.dumps(content))
    write_labels(folder / LABELS_FILE, made.label_set)
    collector = CountsCollector(len(made.label_set))
    rows = [_row(made, i, collector) for i in range(len(made.masks))]
    with (folder / FRAMES_FILE).open("w") as file:
        writer = RowWriter(file, made.label_set.names, made.alone is not None)
        for row in (*rows, *made.drops):
            writer.write(row)
    if made.truths is not None:
        write_counts(folder / COUNTS_FILE, collector.counts())
    if keep_masks:
        (folder / MASK_FOLDER).mkdir()
        for row, mask in zip(rows, made.masks, strict=True):
            write_png(folder / MASK_FOLDER / f"{row.stem}.png", mask)
    return folder


def _row(made: Made, index: int, collector: CountsCollector) -> FrameRow:
    mask, labels = made.masks[index], made.label_set
    shares = {
        name: float((mask == (255 if name == "unlabelled" else i)).mean())
        for i, name in enumerate((*labels.names, "unlabelled"))
    }
    miou = None
    if made.truths is not None:
        counts = confusion_of(mask, made.truths[index], labels)
        alone = made.alone
        other = None if alone is None else confusion_of(alone[index], made.truths[index], labels)
        collector.add(index, counts, other)
        meter = ConfusionMeter(labels)
        meter.add(counts)
        miou = meter.scores().miou
    default = None if made.stems is not None else index * SECOND // 10
    return FrameRow(
        index=index,
        stem=f"{index:06d}" if made.stems is None else made.stems[index],
        stamp_ns=default if made.stamps is None else made.stamps[index],
        condition="" if made.conditions is None else made.conditions[index],
        miou=miou,
        confidence=0.9,
        x_used=True,
        skew_ms=1.0,
        decode_ms=1.0,
        model_ms=made.model_ms + index / 10,
        shares=shares,
    )


def street(frames: int, seed: int = 0, size: int = 24) -> list[np.ndarray]:
    """Truths: a road, a car that grows and shrinks, a person in two of three frames."""
    random = np.random.default_rng(seed)
    truths = []
    for i in range(frames):
        truth = np.zeros((size, size), np.uint8)
        wide = int(6 + 5 * np.sin(i / 7))
        truth[4:12, 3 : 3 + wide] = 1
        if i % 3:
            truth[14:22, 15:19] = 2
        truth[random.random(truth.shape) < 0.02] = 255
        truths.append(truth)
    return truths


def spoilt(truths: Sequence[np.ndarray], share: float, seed: int) -> list[np.ndarray]:
    """Masks that are wrong in about this share of pixels, more in some stretches of the drive."""
    random = np.random.default_rng(seed)
    masks = []
    for i, truth in enumerate(truths):
        mask = np.where(truth == 255, 0, truth).astype(np.uint8)
        wrong = random.random(mask.shape) < share * (1 + np.sin(i / 9) / 2)
        masks.append(np.where(wrong, random.integers(0, 3, mask.shape), mask).astype(np.uint8))
    return masks
