# SPDX-License-Identifier: Apache-2.0
"""An evaluation's results as files: summary.json, frames.csv and pictures."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from segrgbx_core.datasets.samples import LabelledPairs, encoded
from segrgbx_core.evaluation.confusion_picture import confusion_picture
from segrgbx_core.evaluation.curves import Curve
from segrgbx_core.evaluation.dataset import DatasetScores
from segrgbx_core.evaluation.line_chart import curve_picture
from segrgbx_core.evaluation.protocol import Protocol
from segrgbx_core.evaluation.summary import (
    FORMAT,
    EvaluationSummary,
    curve_facts,
    dataset_facts,
    frames_csv,
    grouped,
    model_facts,
)
from segrgbx_core.evaluation.views import ViewSegmenter
from segrgbx_core.evaluation.worst import worst_frames, worst_picture
from segrgbx_core.image_files import write_png
from segrgbx_core.output import disk_errors, write_whole
from segrgbx_core.segmenter import Segmenter

SUMMARY_FILE, FRAMES_FILE, CONFUSION_FILE = "summary.json", "frames.csv", "confusion.png"
WORST_FOLDER = "worst"


@dataclass(frozen=True)
class Evaluated:
    """All that was measured, and with what. use_x: False where RGB alone was given; seconds: of
    the measuring."""

    segmenter: Segmenter
    pairs: LabelledPairs
    protocol: Protocol
    use_x: bool
    scores: DatasetScores
    curves: tuple[Curve, ...]
    seconds: float


@dataclass(frozen=True)
class Pictures:
    """Files that were drawn, in order; confusion is None where no pixel had a label."""

    confusion: Path | None
    curves: tuple[Path, ...]
    worst: tuple[Path, ...]


def summarise(
    done: Evaluated, split: str | None, worst: int, seed: int, versions: Mapping[str, str]
) -> EvaluationSummary:
    """What goes into `summary.json`; worst: how many frames to name there."""
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
    )


def write_results(folder: Path, summary: EvaluationSummary, done: Evaluated) -> Pictures:
    """`summary.json`, `frames.csv`, `confusion.png`, `degrade_<kind>.png` and
    `worst/<rank>_<stem>.png`, the summary last.

    The worst frames are segmented once more. Raises OutputError where the disk refuses.
    """
    overall, data = done.scores.overall, done.pairs
    what = f"{summary.model.name} on {folder_name(data)}, RGB with "
    what += data.modality.replace("_", " ") if done.use_x else "nothing else"
    confusion = None
    if overall.confusion.any():
        confusion = folder / CONFUSION_FILE
        write_png(confusion, confusion_picture(overall, data.label_set, what))
    curves = []
    for curve in done.curves:
        curves.append(folder / f"degrade_{curve.kind}.png")
        write_png(curves[-1], curve_picture(curve, f"{what}: {curve.title}"))
    worst = _write_worst(folder / WORST_FOLDER, summary, done)
    write_whole(folder / FRAMES_FILE, frames_csv(done.scores.frames).encode())
    write_whole(folder / SUMMARY_FILE, summary.to_json().encode())
    return Pictures(confusion, tuple(curves), worst)


def folder_name(data: LabelledPairs) -> str:
    """What a title calls the dataset."""
    return data.folder.resolve().name or str(data.folder)


def _write_worst(folder: Path, summary: EvaluationSummary, done: Evaluated) -> tuple[Path, ...]:
    if summary.worst:
        with disk_errors(folder):
            folder.mkdir(exist_ok=True)
    see = ViewSegmenter(done.segmenter, done.protocol)
    paths = []
    for rank, frame in enumerate(summary.worst, 1):
        sample = done.pairs[frame.index]
        planes = encoded(done.pairs, sample) if done.use_x else None
        found = see(sample.rgb, planes, done.pairs.modality)
        stem = re.sub(r"[^\w.-]+", "_", frame.stem)
        paths.append(folder / f"{rank:02d}_{stem}.png")
        write_png(paths[-1], worst_picture(sample, planes, found))
    return tuple(paths)
