# SPDX-License-Identifier: Apache-2.0
"""An evaluation's results as files: summary.json, frames.csv and pictures."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import cv2
import numpy as np

from segrgbx_core.datasets.samples import LabelledPairs, Sample, encoded
from segrgbx_core.evaluation.charts import confusion_picture, curve_picture
from segrgbx_core.evaluation.curves import Curve
from segrgbx_core.evaluation.dataset import DatasetScores, FrameScore
from segrgbx_core.evaluation.protocol import Protocol, ViewSegmenter
from segrgbx_core.evaluation.summary import (
    FORMAT,
    EvaluationSummary,
    curve_facts,
    dataset_facts,
    frames_csv,
    grouped,
    model_facts,
)
from segrgbx_core.files.disk import make_folder, write_whole
from segrgbx_core.files.images import write_png
from segrgbx_core.labels.label_set import UNLABELLED
from segrgbx_core.pictures.frames import (
    BAND,
    TILE_WIDTHS,
    captioned,
    gap_of,
    legend,
    resized,
    row_of,
    x_picture,
)
from segrgbx_core.readings import Planes, RgbImage
from segrgbx_core.segmentation import Segmentation, color_mask
from segrgbx_core.segmenter import Segmenter
from segrgbx_core.wording import spoken

WRONG = (255, 59, 48)


def worst_frames(scores: DatasetScores, count: int) -> tuple[FrameScore, ...]:
    """The frames with the lowest mean IoU, worst first; frames without a truth are left out."""
    scored = [frame for frame in scores.frames if frame.miou is not None]
    return tuple(sorted(scored, key=lambda frame: (frame.miou or 0.0, frame.index))[:count])


def worst_picture(sample: Sample, planes: Planes | None, segmentation: Segmentation) -> RgbImage:
    """RGB | X | errors, above truth | segmentation | confidence, and a legend of the classes.

    Errors are red on the grey image; pixels without a truth are dark. planes: of X, None where
    none was given.
    """
    height, width = sample.rgb.shape[:2]
    tile_width = int(np.clip(width, *TILE_WIDTHS))
    size = (tile_width, max(1, round(height * tile_width / width)))
    label_set = segmentation.label_set
    x = np.full((2, 2, 3), BAND, np.uint8)
    if planes is not None:
        x = x_picture(planes.data, segmentation.modality, planes.valid)
    wrong = (segmentation.labels != sample.labels) & (sample.labels != UNLABELLED)
    share = wrong.sum() / max(1, (sample.labels != UNLABELLED).sum())
    x_name = "no X" if planes is None else spoken(segmentation.modality).capitalize()
    sure = cv2.applyColorMap(segmentation.confidence_image(), cv2.COLORMAP_VIRIDIS)
    top = [
        captioned(resized(sample.rgb, size), "RGB"),
        captioned(resized(x, size), x_name),
        captioned(resized(_errors(sample, wrong), size), f"Wrong: {share:.1%} of labelled pixels"),
    ]
    bottom = [
        captioned(resized(color_mask(sample.labels, label_set), size, exact=True), "Ground truth"),
        captioned(resized(segmentation.color_mask(), size, exact=True), "Segmentation"),
        captioned(
            resized(cast(RgbImage, cv2.cvtColor(sure, cv2.COLOR_BGR2RGB)), size),
            "Confidence: yellow is 1, violet 0",
        ),
    ]
    rows = [row_of(top), row_of(bottom)]
    gap = np.full((gap_of(tile_width), rows[0].shape[1], 3), BAND, np.uint8)
    there = np.union1d(sample.labels, segmentation.labels)
    ids = tuple(int(i) for i in there if i < len(label_set))
    return np.vstack([rows[0], gap, rows[1], legend(label_set, rows[0].shape[1], ids)])


def _errors(sample: Sample, wrong: np.typing.NDArray[np.bool_]) -> RgbImage:
    grey = cv2.cvtColor(sample.rgb, cv2.COLOR_RGB2GRAY)[..., None].repeat(3, axis=2)
    shown = np.where(sample.labels[..., None] == UNLABELLED, grey // 4, grey // 2 + 64)
    return np.where(wrong[..., None], np.array(WRONG, np.uint8), shown).astype(np.uint8)


SUMMARY_FILE, FRAMES_FILE, CONFUSION_FILE = "summary.json", "frames.csv", "confusion.png"
WORST_FOLDER = "worst"


@dataclass(frozen=True)
class Evaluated:
    """A finished evaluation and its inputs. use_x: False where RGB alone was given; seconds: time
    of the evaluation. interrupted: as in the summary."""

    segmenter: Segmenter
    pairs: LabelledPairs
    protocol: Protocol
    use_x: bool
    scores: DatasetScores
    curves: tuple[Curve, ...]
    seconds: float
    interrupted: str | None = None


@dataclass(frozen=True)
class Pictures:
    """Picture files, in order; confusion is None where no pixel had a label."""

    confusion: Path | None
    curves: tuple[Path, ...]
    worst: tuple[Path, ...]


def summarise_evaluation(
    done: Evaluated, split: str | None, worst: int, seed: int, versions: Mapping[str, str]
) -> EvaluationSummary:
    """The content of `summary.json`; worst: number of worst frames to list."""
    segmenter = done.segmenter
    return EvaluationSummary(
        format=FORMAT,
        model=model_facts(segmenter.card, segmenter.label_set.name),
        dataset=dataset_facts(done.pairs, split),
        x_used=done.use_x,
        protocol=done.protocol.in_words(),
        scales=done.protocol.scales,
        flip=done.protocol.flip,
        scores=grouped(done.scores),
        confusion=done.scores.overall.confusion.tolist(),
        worst=worst_frames(done.scores, worst),
        curves=[curve_facts(curve) for curve in done.curves],
        seed=seed,
        device=str(segmenter.device),
        precision=segmenter.precision,
        seconds=round(done.seconds, 2),
        versions=versions,
        interrupted=done.interrupted,
    )


def write_results(folder: Path, summary: EvaluationSummary, done: Evaluated) -> Pictures:
    """`summary.json`, `frames.csv`, `confusion.png`, `degrade_<kind>.png` and
    `worst/<rank>_<stem>.png`, the summary last.

    The worst frames are segmented again. Raises OutputError where writing fails.
    """
    overall, data = done.scores.overall, done.pairs
    what = f"{summary.model.name} on {folder_name(data)}, RGB with "
    what += spoken(data.modality) if done.use_x else "nothing else"
    confusion = None
    if overall.confusion.any():
        confusion = folder / CONFUSION_FILE
        write_png(confusion, confusion_picture(overall, data.label_set, what))
    curves = []
    for curve in done.curves:
        curves.append(folder / f"degrade_{curve.kind}.png")
        write_png(curves[-1], curve_picture(curve_facts(curve), f"{what}: {curve.title}"))
    worst = _write_worst(folder / WORST_FOLDER, summary, done)
    write_scores(folder, summary, done)
    return Pictures(confusion, tuple(curves), worst)


def write_scores(folder: Path, summary: EvaluationSummary, done: Evaluated) -> None:
    """`frames.csv` and `summary.json`. Raises OutputError where writing fails."""
    write_whole(folder / FRAMES_FILE, frames_csv(done.scores.frames).encode())
    write_whole(folder / SUMMARY_FILE, summary.to_json().encode())


def result_files(folder: Path) -> list[Path]:
    """The files there that an evaluation would replace."""
    names = (SUMMARY_FILE, FRAMES_FILE, CONFUSION_FILE)
    drawn = (*folder.glob("degrade_*.png"), *(folder / WORST_FOLDER).glob("*.png"))
    return [*(folder / name for name in names), *drawn]


def folder_name(data: LabelledPairs) -> str:
    """The dataset's name in titles."""
    return data.folder.resolve().name or str(data.folder)


def _write_worst(folder: Path, summary: EvaluationSummary, done: Evaluated) -> tuple[Path, ...]:
    if summary.worst:
        make_folder(folder)
    see = ViewSegmenter(done.segmenter, done.protocol)
    paths = []
    for rank, frame in enumerate(summary.worst, 1):
        sample = done.pairs[frame.index]
        planes = encoded(done.pairs, sample) if done.use_x else None
        segmentation = see(sample.rgb, planes, done.pairs.modality)
        stem = re.sub(r"[^\w.-]+", "_", frame.stem)
        paths.append(folder / f"{rank:02d}_{stem}.png")
        write_png(paths[-1], worst_picture(sample, planes, segmentation))
    return tuple(paths)
