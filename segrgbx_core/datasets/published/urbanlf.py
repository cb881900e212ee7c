# SPDX-License-Identifier: Apache-2.0
"""UrbanLF: 9 x 9 views of streets, real and synthetic, 14 classes.

Sheng et al., "UrbanLF: A Comprehensive Light Field Dataset for Semantic Segmentation of Urban
Scenes", TCSVT 2022. The central view 5_5 is the RGB image; the labels belong to it.
"""

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from segrgbx_core.datasets.file_dataset import FileDataset
from segrgbx_core.datasets.file_layout import need_split, subfolder, wrong_layout
from segrgbx_core.datasets.samples import Labels, Place
from segrgbx_core.encoding import LightFieldSettings
from segrgbx_core.encoding.light_field.views import VIEW_SETS
from segrgbx_core.errors import InputError
from segrgbx_core.files.images import read_rgb
from segrgbx_core.labels.images import from_one, ids_of_colours, ids_of_numbers, numbers_in
from segrgbx_core.readings import LightFieldViews, RgbImage

LAYOUT = "real/ or Syn/ with {train,val,test}/<scene>/<row>_<column>.png, rows and columns 1 to 9"
SOURCES = tuple(VIEW_SETS)
PARTS = ("real", "synthetic")
_FOLDERS = {
    "real": ("real", "urbanlf-real", "urbanlf_real"),
    "synthetic": ("syn", "synthetic", "urbanlf-syn", "urbanlf_syn"),
}
_LABELS = {"real": ("label.png", "label.npy"), "synthetic": ("5_5_label.npy",)}
_SPLITS = ("train", "val", "test")
_CENTRE = (5, 5)


def splits(root: Path, parts: tuple[str, ...] = PARTS) -> tuple[str, ...]:
    """The splits present in at least one part. Raises InputError for a different layout."""
    roots = _roots(root, parts).values()
    return tuple(name for name in _SPLITS if any((path / name).is_dir() for path in roots))


class UrbanLF(FileDataset):
    """One split of the real part, the synthetic part, or of both, real scenes first.

    x: how many views are read beside the centre: "8", "33" (with the centre) or "80", as UrbanLF
    counts them.
    """

    def __init__(
        self, root: Path, split: str, x: str = "33", parts: tuple[str, ...] = PARTS
    ) -> None:
        need_split(root, split, splits(root, parts))
        name = "urbanlf" if parts == PARTS else f"urbanlf_{parts[0]}"
        self._at = sorted(VIEW_SETS[x])
        settings = LightFieldSettings(views=x)
        places = _places(_roots(root, parts), split, x)
        super().__init__(name, root, places, "light_field", "urbanlf", settings)

    def _pair(self, place: Place) -> tuple[RgbImage, LightFieldViews]:
        rgb = read_rgb(place.rgb)
        views = [rgb if path == place.rgb else read_rgb(path) for path in place.x]
        for path, view in zip(place.x, views, strict=True):
            if view.shape != rgb.shape:
                raise InputError(
                    f"{path} has shape {view.shape} and the centre {place.rgb.name} {rgb.shape}; "
                    "expected views of one size."
                )
        rows, columns = np.array(self._at, np.int64).T
        return rgb, LightFieldViews(np.stack(views), rows, columns)

    def _labels(self, place: Place) -> Labels:
        if place.labels.suffix == ".png":
            return ids_of_colours(place.labels, self.label_set)
        return ids_of_numbers(numbers_in(place.labels), from_one(self.label_set), place.labels)


def _roots(root: Path, parts: tuple[str, ...]) -> dict[str, Path]:
    """The folder of each part present: in root, or root itself, recognised by its labels."""
    folders = {part: subfolder(root, *_FOLDERS[part]) for part in parts}
    there = {part: path for part, path in folders.items() if path is not None}
    if not there and any((root / split).is_dir() for split in _SPLITS):
        there = {part: root for part in parts if _has_labels(root, part)}
    if not there:
        raise wrong_layout(root, f"UrbanLF's {LAYOUT} ({' and '.join(parts)})")
    return there


def _has_labels(root: Path, part: str) -> bool:
    return any(any(root.glob(f"{split}/*/{name}")) for split in _SPLITS for name in _LABELS[part])


def _places(roots: dict[str, Path], split: str, x: str) -> Iterator[Place]:
    at = sorted(VIEW_SETS[x])
    for part, root in roots.items():
        scenes = (root / split).iterdir() if (root / split).is_dir() else ()
        for scene in sorted(path for path in scenes if path.is_dir()):
            labels = [scene / name for name in _LABELS[part]]
            yield Place(
                f"{part}_{scene.name}",
                split,
                scene / "{}_{}.png".format(*_CENTRE),
                tuple(scene / f"{row}_{column}.png" for row, column in at),
                next((path for path in labels if path.exists()), labels[0]),
            )
