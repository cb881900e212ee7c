# SPDX-License-Identifier: Apache-2.0
"""The frames on which a model does worst, and each as a picture that shows where it is wrong."""

from typing import cast

import cv2
import numpy as np

from segrgbx_core.datasets.samples import Sample
from segrgbx_core.encoding import Planes
from segrgbx_core.evaluation.dataset import DatasetScores, FrameScore
from segrgbx_core.evaluation.pictures import (
    BAND,
    TILE_WIDTHS,
    captioned,
    gap_of,
    legend,
    resized,
    row_of,
)
from segrgbx_core.evaluation.x_pictures import x_picture
from segrgbx_core.frame import RgbImage
from segrgbx_core.labels import UNLABELLED
from segrgbx_core.segmentation import Segmentation, color_mask

WRONG = (255, 59, 48)


def worst_frames(scores: DatasetScores, count: int) -> tuple[FrameScore, ...]:
    """Those of the lowest mean IoU, the worst first; frames without a truth are none of them."""
    scored = [frame for frame in scores.frames if frame.miou is not None]
    return tuple(sorted(scored, key=lambda frame: (frame.miou or 0.0, frame.index))[:count])


def worst_picture(sample: Sample, planes: Planes | None, segmentation: Segmentation) -> RgbImage:
    """RGB | X | what is wrong, over truth | segmentation | confidence, and the classes there.

    What is wrong is red on the grey image; pixels without a truth stay dark. planes: of X, None
    where none was given.
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
    x_name = "no X" if planes is None else segmentation.modality.replace("_", " ").capitalize()
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
