# SPDX-License-Identifier: Apache-2.0
"""A picture of a few samples of a dataset: RGB, encoded X, and the labels."""

from collections.abc import Iterable, Iterator, Mapping

import numpy as np

from segrgbx_core.datasets.samples import LabelledPairs, Sample, encoded
from segrgbx_core.errors import InputError, LabelError
from segrgbx_core.labels.label_set import UNLABELLED, LabelSet
from segrgbx_core.modality import NO_X
from segrgbx_core.pictures.frames import (
    BAND,
    INVALID,
    captioned,
    gap_of,
    legend,
    resized,
    row_of,
    x_picture,
)
from segrgbx_core.readings import RgbImage
from segrgbx_core.segmentation import color_mask
from segrgbx_core.wording import spoken

TILE_WIDTH = 400


def contact_sheet(splits: Mapping[str, LabelledPairs], count: int) -> RgbImage | None:
    """A picture with one row for each of up to `count` readable samples: RGB | X | labels.

    The samples are spread over splits, conditions and faults. Unlabelled pixels and invalid
    pixels of X are dark blue-grey. Returns (rows, columns, 3) uint8, or None if no sample can be
    read.
    """
    rows, seen = [], set[int]()
    label_set = next(iter(splits.values())).label_set
    for data, sample in _read(spread(splits), count):
        rows.append(_row(data, sample))
        seen |= set(np.unique(sample.labels).tolist()) - {UNLABELLED}
    if not rows:
        return None
    gap = np.full((gap_of(TILE_WIDTH), rows[0].shape[1], 3), BAND, np.uint8)
    strip = legend(label_set, rows[0].shape[1], tuple(sorted(seen)))
    return np.vstack([part for row in rows for part in (row, gap)] + [strip])


def spread(splits: Mapping[str, LabelledPairs]) -> Iterator[tuple[LabelledPairs, int]]:
    """All samples, ordered so that the first few differ in split, condition and fault.

    Takes one sample of each kind in turn, from the middle of the remaining ones.
    """
    kinds: dict[tuple[str, str, str], list[tuple[LabelledPairs, int]]] = {}
    for split, data in splits.items():
        for i, place in enumerate(data.places):
            kinds.setdefault((place.condition, place.fault, split), []).append((data, i))
    while kinds:
        for kind in list(kinds):
            left = kinds[kind]
            yield left.pop(len(left) // 2)
            if not left:
                del kinds[kind]


def _read(
    places: Iterable[tuple[LabelledPairs, int]], count: int
) -> Iterator[tuple[LabelledPairs, Sample]]:
    """The first `count` readable samples; the dataset check reports unreadable ones."""
    for data, index in places:
        if count < 1:
            return
        try:
            sample = data[index]
        except (InputError, LabelError):
            continue
        count -= 1
        yield data, sample


def _row(data: LabelledPairs, sample: Sample) -> RgbImage:
    height, width = sample.labels.shape
    size = (TILE_WIDTH, max(1, round(height * TILE_WIDTH / width)))
    words = (sample.split, sample.condition, sample.fault, sample.stem)
    x_words, x = _x_tile(data, sample, size)
    tiles = [
        captioned(resized(sample.rgb, size), ", ".join(word for word in words if word)),
        captioned(x, x_words),
        captioned(_labels_tile(sample, data.label_set, size), _labels_words(sample)),
    ]
    return row_of(tiles)


def _x_tile(data: LabelledPairs, sample: Sample, size: tuple[int, int]) -> tuple[str, RgbImage]:
    """Caption and picture of X; an empty picture if the reading cannot be encoded."""
    name = spoken(data.modality)
    if data.modality == NO_X:
        return "no X", np.full((size[1], size[0], 3), BAND, np.uint8)
    try:
        planes = encoded(data, sample)
    except InputError:
        empty = np.full((size[1], size[0], 3), BAND, np.uint8)
        return f"{name}: the encoding refuses it", empty
    picture = x_picture(planes.data, data.modality, planes.valid)
    return f"{name}, {planes.valid.mean():.1%} valid", resized(picture, size)


def _labels_words(sample: Sample) -> str:
    height, width = sample.labels.shape
    unlabelled = (sample.labels == UNLABELLED).mean()
    return f"labels, {width}x{height}" + f", {unlabelled:.1%} without" * bool(unlabelled)


def _labels_tile(sample: Sample, label_set: LabelSet, size: tuple[int, int]) -> RgbImage:
    mask = color_mask(sample.labels, label_set)
    mask[sample.labels == UNLABELLED] = INVALID
    return resized(mask, size, exact=True)
