# SPDX-License-Identifier: Apache-2.0
"""Run folders made on the spot, through the writers that replay itself uses."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from segrgbx_core.labels.label_set import LabelClass, LabelSet
from segrgbx_core.runs.folder import SUMMARY_FILE
from segrgbx_core.runs.rows import FrameRow
from segrgbx_core.runs.scoring import ScoreKeeper
from segrgbx_core.runs.writer import RunWriter
from segrgbx_core.segmentation import Segmentation

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
    confidence: float = 0.9


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
    keeper = ScoreKeeper(made.label_set, made.alone is not None)
    with RunWriter(folder, made.label_set, made.alone is not None) as writer:
        for index, mask in enumerate(made.masks):
            row = _row(made, index, keeper)
            writer.write_row(row)
            if keep_masks:
                writer.write_mask(row.stem, mask)
        for row in made.drops:
            writer.write_row(row)
        if made.truths is not None:
            writer.write_counts(keeper.counts())
    return folder


def _row(made: Made, index: int, keeper: ScoreKeeper) -> FrameRow:
    mask, labels = made.masks[index], made.label_set
    shares = {
        name: float((mask == (255 if name == "unlabelled" else i)).mean())
        for i, name in enumerate((*labels.names, "unlabelled"))
    }
    condition = "" if made.conditions is None else made.conditions[index]
    miou = None
    if made.truths is not None:
        truth = made.truths[index]
        alone = None if made.alone is None else keeper.counts_of(made.alone[index], truth)
        sure = np.full(mask.shape, made.confidence, np.float32)
        answer = Segmentation(mask, sure, labels, "thermal")
        miou = keeper.add(index, condition, answer, truth, alone).with_x.miou
    default = None if made.stems is not None else index * SECOND // 10
    return FrameRow(
        index=index,
        stem=f"{index:06d}" if made.stems is None else made.stems[index],
        stamp_ns=default if made.stamps is None else made.stamps[index],
        condition=condition,
        miou=miou,
        confidence=made.confidence,
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


@pytest.fixture(scope="session")
def made() -> SimpleNamespace:
    """What writes run folders in the tests: make, Made, street, spoilt and the label set THREE."""
    return SimpleNamespace(make=make, Made=Made, street=street, spoilt=spoilt, THREE=THREE)
