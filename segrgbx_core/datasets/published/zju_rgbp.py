# SPDX-License-Identifier: Apache-2.0
"""ZJU RGB-P: one camera behind polarizers at four angles, 8 classes including glass.

Xiang, Yang and Wang, "Polarization-driven semantic segmentation via efficient attention-bridged
fusion", Optics Express 2021. There is no image without a polarizer. The mean of the four angles,
half of what a camera without one would see, serves as RGB: a single angle, the field's usual
choice, already shows polarization, so that "RGB alone" would not be RGB alone.
"""

import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt

from segrgbx_core.datasets.file_dataset import FileDataset
from segrgbx_core.datasets.file_layout import Folder, need_split, subfolder, wrong_layout
from segrgbx_core.datasets.samples import Labels, Place
from segrgbx_core.encoding import PolarizationSettings
from segrgbx_core.errors import InputError
from segrgbx_core.files.images import read_rgb
from segrgbx_core.labels.images import ids_of_colours
from segrgbx_core.labels.label_set import UNLABELLED
from segrgbx_core.readings import PolarizerImages, RgbImage

LAYOUT = "{train,val}/{0,45,90,135,label}/, label/<name>.png and <angle>/<name>_<angle>.png"
_ANGLES = ("0", "45", "90", "135")
_SPLITS = ("train", "val", "test")
_DARK_COUNTS = 2.0
_FULL = 255


def splits(root: Path) -> tuple[str, ...]:
    """The split folders with labels. Raises InputError for a different layout."""
    names = tuple(name for name in _SPLITS if subfolder(root / name, "label", "labels"))
    if not names:
        raise wrong_layout(root, f"ZJU RGB-P's {LAYOUT}")
    return names


class ZjuRgbp(FileDataset):
    """One split of ZJU RGB-P.

    X is the brightness behind each polarizer: the mean of red, green and blue in counts of 0 to
    255, NaN where one of them is saturated. Light adds up over colours, and so do Stokes' sums.
    """

    def __init__(self, root: Path, split: str) -> None:
        need_split(root, split, splits(root))
        settings = PolarizationSettings(dark=_DARK_COUNTS)
        places = _places(root / split, split)
        super().__init__("zju_rgbp", root, places, "polarization", "zju_rgbp", settings)

    def _pair(self, place: Place) -> tuple[RgbImage, PolarizerImages]:
        angles = [read_rgb(path) for path in place.x]
        for path, image in zip(place.x, angles, strict=True):
            if image.shape != angles[0].shape:
                raise InputError(
                    f"{path} has shape {image.shape} and {place.x[0].name} {angles[0].shape}; "
                    "expected four images of one size."
                )
        total = np.sum(angles, axis=0, dtype=np.uint16)
        rgb = ((total + 2) // 4).astype(np.uint8)
        return rgb, PolarizerImages(np.stack([_brightness(image) for image in angles]))

    def _labels(self, place: Place) -> Labels:
        return ids_of_colours(place.labels, self.label_set, black=UNLABELLED)


def _brightness(image: RgbImage) -> npt.NDArray[np.float32]:
    mean = image.mean(axis=2, dtype=np.float32)
    mean[(image == _FULL).any(axis=2)] = np.nan
    return np.asarray(mean, np.float32)


class _Angle:
    """The images of one angle, by their names with or without the angle at the end."""

    def __init__(self, folder: Path, angle: str) -> None:
        self._folder, self._angle = folder, angle
        files = Folder(folder, ".png")
        ending = re.compile(rf"_{angle}\D{{0,2}}$")
        self._files = {ending.sub("", stem): files.file(stem) for stem in files.stems}
        self._files |= {stem: files.file(stem) for stem in files.stems}

    def file(self, stem: str) -> Path:
        return self._files.get(stem, self._folder / f"{stem}_{self._angle}.png")


def _places(folder: Path, split: str) -> Iterator[Place]:
    labels_at = subfolder(folder, "label", "labels")
    there = [(angle, subfolder(folder, angle)) for angle in _ANGLES]
    angles = [_Angle(path, angle) for angle, path in there if path is not None]
    if labels_at is None or len(angles) < len(_ANGLES):
        raise wrong_layout(folder, "a folder for each of the angles 0, 45, 90 and 135, and label/")
    labels = Folder(labels_at, ".png")
    for stem in labels.stems:
        x = tuple(angle.file(stem) for angle in angles)
        yield Place(stem, split, x[0], x, labels.file(stem))
