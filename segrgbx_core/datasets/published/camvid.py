# SPDX-License-Identifier: Apache-2.0
"""CamVid in 11 classes: street images by day and at dusk, RGB alone.

Brostow, Fauqueur and Cipolla, "Semantic Object Classes in Video", Pattern Recognition Letters
2009. The 11 classes and the split are those of SegNet (Badrinarayanan, Kendall and Cipolla, 2017),
whose repository distributes the images at 480x360.
"""

from collections.abc import Iterator
from pathlib import Path

from segrgbx_core.datasets.file_dataset import FileDataset
from segrgbx_core.datasets.file_layout import Folder, need_split, subfolder, wrong_layout
from segrgbx_core.datasets.samples import Labels, Place, without_x
from segrgbx_core.files.images import read_rgb
from segrgbx_core.labels.images import from_zero, ids_of_numbers, numbers_in
from segrgbx_core.labels.label_set import UNLABELLED
from segrgbx_core.modality import NO_X
from segrgbx_core.readings import Planes, RgbImage

LAYOUT = "train/, trainannot/ and the same for val and test"
_SPLITS = ("train", "val", "test")
_ANNOTATIONS, _VOID = "annot", 11
_DUSK = "0001TP"


def splits(root: Path) -> tuple[str, ...]:
    """The splits with images and labels. Raises InputError for a different layout."""
    there = tuple(
        name
        for name in _SPLITS
        if subfolder(root, name) is not None and subfolder(root, name + _ANNOTATIONS) is not None
    )
    if not there:
        raise wrong_layout(root, f"CamVid's {LAYOUT}")
    return there


class CamVid(FileDataset):
    """One split of CamVid; its samples have no X."""

    def __init__(self, root: Path, split: str) -> None:
        need_split(root, split, splits(root))
        super().__init__("camvid", root, _places(root, split), NO_X, "camvid")

    def _pair(self, place: Place) -> tuple[RgbImage, Planes]:
        rgb = read_rgb(place.rgb)
        return rgb, without_x(rgb)

    def _labels(self, place: Place) -> Labels:
        numbering = {**from_zero(self.label_set), _VOID: UNLABELLED}
        return ids_of_numbers(numbers_in(place.labels), numbering, place.labels)


def _places(root: Path, split: str) -> Iterator[Place]:
    images, labels = subfolder(root, split), subfolder(root, split + _ANNOTATIONS)
    assert images is not None
    assert labels is not None
    rgb, annotated = Folder(images, ".png"), Folder(labels, ".png")
    for stem in rgb.stems:
        light = "dusk" if stem.startswith(_DUSK) else "day"
        yield Place(stem, split, rgb.file(stem), (), annotated.file(stem), condition=light)
