# SPDX-License-Identifier: Apache-2.0
"""MFNet: RGB and thermal images of streets by day and night, 9 classes with 'unlabeled'.

Ha et al., "MFNet: Towards Real-Time Semantic Segmentation for Autonomous Vehicles with
Multi-Spectral Scenes", IROS 2017. Thermal is 8-bit counts after the camera's gain control.
"""

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from segrgbx_core.datasets.file_dataset import FileDataset
from segrgbx_core.datasets.file_layout import Folder, listed, need_split, subfolder, wrong_layout
from segrgbx_core.datasets.samples import Labels, Place
from segrgbx_core.errors import InputError
from segrgbx_core.files.images import read_pixels, read_reading, read_rgb
from segrgbx_core.labels.images import from_zero, ids_of_numbers, numbers_in
from segrgbx_core.readings import Reading, RgbImage

LAYOUT = (
    "images/ (PNG with thermal as the fourth channel), labels/ and train.txt, val.txt, test.txt, "
    "or a repack's rgb/, ther/, labels/ and lists"
)
_SPLITS = ("train", "val", "test")
_LIGHT = {"D": "day", "N": "night"}


def splits(root: Path) -> tuple[str, ...]:
    """The splits with a list file. Raises InputError for a different layout."""
    _folders(root)
    return tuple(name for name in _SPLITS if (root / f"{name}.txt").is_file())


class Mfnet(FileDataset):
    """One split of MFNet, in the authors' layout or a repack with rgb/ and ther/."""

    def __init__(self, root: Path, split: str) -> None:
        need_split(root, split, splits(root))
        super().__init__("mfnet", root, _places(root, split), "thermal", "mfnet")

    def _pair(self, place: Place) -> tuple[RgbImage, Reading]:
        if place.x == (place.rgb,):
            return _of_four_channels(place.rgb)
        return read_rgb(place.rgb), read_reading(place.x[0])

    def _labels(self, place: Place) -> Labels:
        numbers = numbers_in(place.labels)
        return ids_of_numbers(numbers, from_zero(self.label_set), place.labels)


def _of_four_channels(path: Path) -> tuple[RgbImage, Reading]:
    image = read_pixels(path)
    if image.ndim != 3 or image.shape[2] != 4 or image.dtype != np.uint8:
        raise InputError(
            f"{path} has shape {image.shape} and type {image.dtype}; expected four channels of 8 "
            "bits, with thermal as the fourth."
        )
    return np.ascontiguousarray(image[..., :3]), np.ascontiguousarray(image[..., 3])


def _folders(root: Path) -> tuple[Path, Path, Path]:
    """The folders of RGB, thermal and labels; the authors' layout has one for the first two."""
    labels = subfolder(root, "labels", "label")
    together = subfolder(root, "images")
    apart = subfolder(root, "rgb"), subfolder(root, "ther", "thermal", "th")
    if labels is not None and apart[0] is not None and apart[1] is not None:
        return apart[0], apart[1], labels
    if labels is not None and together is not None:
        return together, together, labels
    raise wrong_layout(root, f"MFNet's {LAYOUT}")


def _places(root: Path, split: str) -> Iterator[Place]:
    rgb_at, x_at, labels_at = _folders(root)
    rgb = Folder(rgb_at, ".png" if rgb_at == x_at else ".jpg")
    x = rgb if rgb_at == x_at else Folder(x_at, ".jpg")
    labels = Folder(labels_at, ".png")
    for stem in listed(root / f"{split}.txt", rgb):
        yield Place(
            stem,
            split,
            rgb.file(stem),
            (x.file(stem),),
            labels.file(stem),
            condition=_LIGHT.get(stem.removesuffix("_flip")[-1:], ""),
        )
