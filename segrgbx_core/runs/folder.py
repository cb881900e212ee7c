# SPDX-License-Identifier: Apache-2.0
"""A run's folder as other commands read it: what was run, each frame's row, and its counts."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

from segrgbx_core.errors import InputError
from segrgbx_core.files.disk import write_whole
from segrgbx_core.files.fields import filled
from segrgbx_core.files.yaml import read_json
from segrgbx_core.labels.label_set import LabelClass, LabelSet
from segrgbx_core.runs.counts import COUNTS_FILE, FrameCounts, read_counts
from segrgbx_core.runs.rows import FRAMES_FILE, FrameRow, read_rows

RUN_FORMAT = 1
SUMMARY_FILE, LABELS_FILE, MASK_FOLDER = "summary.json", "labels.json", "masks"
Setting = str | int | float | bool | None


@dataclass(frozen=True)
class RunFacts:
    """What was run: the entry `run` of a run's `summary.json`.

    format: RUN_FORMAT. kind: what wrote it. source: the recording, folder or topics, as given.
    scored_by: where the ground truth is from, None without. settings: what was asked for by name,
    without what is at its default.
    """

    format: int
    kind: Literal["replay", "segment", "live"]
    source: str
    model: str
    modality: str
    label_set: str
    scored_by: str | None
    settings: Mapping[str, Setting]


@dataclass(frozen=True, eq=False)
class Run:
    """A run's folder, read. counts: None for a run without ground truth."""

    folder: Path
    facts: RunFacts
    label_set: LabelSet
    rows: tuple[FrameRow, ...]
    counts: FrameCounts | None

    @property
    def name(self) -> str:
        """The folder's name, for titles."""
        return self.folder.resolve().name or str(self.folder)


@dataclass(frozen=True)
class _LabelsFile:
    name: str
    classes: tuple[LabelClass, ...]
    unlabelled: int


def write_labels(path: Path, label_set: LabelSet) -> None:
    """Writes `labels.json`: the classes of the masks beside it, in the order of their ids."""
    content = {"name": label_set.name, "classes": [asdict(c) for c in label_set.classes]}
    write_whole(path, (json.dumps({**content, "unlabelled": 255}, indent=2) + "\n").encode())


def read_labels(path: Path) -> LabelSet:
    """The label set of a `labels.json`. Raises InputError for anything else."""
    file = filled(_LabelsFile, read_json(path, InputError), str(path), InputError)
    return LabelSet(file.name, file.classes)


def read_run(folder: Path) -> Run:
    """Reads a run's folder. Raises InputError for another folder, or a run of another version."""
    path = folder / SUMMARY_FILE
    if not path.is_file():
        raise InputError(
            f"{folder} has no {SUMMARY_FILE}; name a folder that `segrgbx replay` or "
            "`segrgbx segment` wrote."
        )
    content = read_json(path, InputError)
    given = content.get("run") if isinstance(content, dict) else None
    if not isinstance(given, dict) or given.get("format") != RUN_FORMAT:
        raise InputError(
            f"{folder} was written by another version (no run of format {RUN_FORMAT} in "
            f"{SUMMARY_FILE}); run the same command again."
        )
    facts = filled(RunFacts, given, f"{path}.run", InputError, whole=True)
    label_set = read_labels(folder / LABELS_FILE)
    rows = read_rows(folder / FRAMES_FILE)
    scored = facts.scored_by is not None and (folder / COUNTS_FILE).exists()
    counts = read_counts(folder / COUNTS_FILE) if scored else None
    if counts is not None and counts.classes != len(label_set):
        raise InputError(
            f"{folder} has scores of {counts.classes} classes and {len(label_set)} in "
            f"{LABELS_FILE}; it was put together from two runs: run the command again."
        )
    return Run(folder, facts, label_set, rows, counts)
