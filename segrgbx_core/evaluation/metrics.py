# SPDX-License-Identifier: Apache-2.0
"""Intersection over union and pixel accuracy from one accumulated confusion matrix."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torchmetrics.functional.classification import multiclass_confusion_matrix

from segrgbx_core.errors import InputError, LabelError
from segrgbx_core.labels.images import LabelImage
from segrgbx_core.labels.label_set import UNLABELLED, LabelSet

Counts = npt.NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Scores:
    """Shares in 0..1; None where there was nothing to measure.

    miou: mean over the classes with an IoU other than None. per_class_iou: by class name; None
    for a class that occurs neither in the truth nor in the prediction, 0 for one that is only
    predicted. pixel_accuracy: correct pixels over all pixels with a truth. confusion: (C, C)
    int64, rows truth, columns prediction; pixels predicted as unlabelled are in no column but
    count against their class.
    """

    miou: float | None
    per_class_iou: Mapping[str, float | None]
    pixel_accuracy: float | None
    frames: int
    confusion: npt.NDArray[np.int64]

    @property
    def absent(self) -> tuple[str, ...]:
        """Classes in neither truth nor prediction, which the mean leaves out."""
        return tuple(name for name, iou in self.per_class_iou.items() if iou is None)

    @property
    def only_predicted(self) -> tuple[str, ...]:
        """Classes that were predicted without a pixel of truth: 0 in the mean."""
        seen = self.confusion.sum(axis=0), self.confusion.sum(axis=1)
        names = tuple(self.per_class_iou)
        return tuple(n for n, said, true in zip(names, *seen, strict=True) if said and not true)


def confusion_of(predicted: LabelImage, truth: LabelImage, label_set: LabelSet) -> Counts:
    """Pixel counts of one frame, (C + 1, C + 1) int64: rows truth, columns prediction.

    predicted, truth: (H, W) uint8 class ids. 255 in the truth is ignored; 255 in the prediction
    is the last column and counts as wrong where there is a truth.
    Raises InputError where the two differ in size, LabelError for an id outside the set.
    """
    if predicted.shape != truth.shape or predicted.ndim != 2:
        raise InputError(
            f"The prediction has shape {predicted.shape} and the ground truth {truth.shape}; "
            "expected the same (height, width)."
        )
    for labels, what in ((predicted, "prediction"), (truth, "ground truth")):
        _check_ids(labels, what, label_set)
    answers = np.where(predicted == UNLABELLED, len(label_set), predicted)
    counts = multiclass_confusion_matrix(
        torch.from_numpy(answers.astype(np.int64).ravel()),
        torch.from_numpy(truth.astype(np.int64).ravel()),
        num_classes=len(label_set) + 1,
        ignore_index=UNLABELLED,
        validate_args=False,
    )
    confusion: Counts = counts.numpy().astype(np.int64)
    return confusion


def _check_ids(labels: LabelImage, what: str, label_set: LabelSet) -> None:
    outside = labels[(labels >= len(label_set)) & (labels != UNLABELLED)]
    if outside.size:
        raise LabelError(
            f"The {what} holds class id {int(outside[0])}, but label set "
            f"'{label_set.name}' has ids 0 to {len(label_set) - 1} "
            f"(and {UNLABELLED} for unlabelled); use the label set it was made with."
        )


class ConfusionMeter:
    """Counts truth against prediction over any number of frames.

    IoU of a class = TP / (TP + FP + FN) over all frames together, not the mean over frames.
    """

    def __init__(self, label_set: LabelSet) -> None:
        self._label_set = label_set
        self._frames = 0
        self._counts: Counts = np.zeros((len(label_set) + 1,) * 2, np.int64)

    @property
    def counts(self) -> Counts:
        """The sum of `confusion_of` over the frames so far."""
        return np.array(self._counts)

    def update(self, predicted: LabelImage, truth: LabelImage) -> None:
        """Adds one frame, with the units and errors of `confusion_of`."""
        self.add(confusion_of(predicted, truth, self._label_set))

    def add(self, counts: Counts, frames: int = 1) -> None:
        """Adds counts of earlier frames: another meter's, or (C, C) of `Scores.confusion`.

        Raises InputError for counts with another number of classes.
        """
        if counts.shape == (len(self._label_set),) * 2:
            counts = np.pad(counts, (0, 1))
        if counts.shape != self._counts.shape:
            raise InputError(
                f"The counts have shape {counts.shape}; label set '{self._label_set.name}' needs "
                f"{self._counts.shape}."
            )
        self._counts += counts
        self._frames += frames

    def scores(self) -> Scores:
        """The scores of the frames so far."""
        counts = self._counts
        right = np.diag(counts)
        union = counts.sum(axis=0) + counts.sum(axis=1) - right
        iou = {
            name: float(right[i] / union[i]) if union[i] else None
            for i, name in enumerate(self._label_set.names)
        }
        measured = [value for value in iou.values() if value is not None]
        total = int(counts.sum())
        return Scores(
            miou=float(np.mean(measured)) if measured else None,
            per_class_iou=iou,
            pixel_accuracy=float(right.sum() / total) if total else None,
            frames=self._frames,
            confusion=counts[:-1, :-1].copy(),
        )
