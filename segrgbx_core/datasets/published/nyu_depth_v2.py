# SPDX-License-Identifier: Apache-2.0
"""NYUDepthV2 in 40 classes: RGB and depth of rooms.

Silberman et al., "Indoor Segmentation and Support Inference from RGBD Images", ECCV 2012. The
authors' `.mat` file has 894 classes; the 40 are Gupta's, distributed as repacked image files.
"""

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from segrgbx_core.datasets.file_dataset import FileDataset
from segrgbx_core.datasets.file_layout import Folder, listed, need_split, subfolder, wrong_layout
from segrgbx_core.datasets.samples import Labels, Place
from segrgbx_core.encoding import DepthSettings
from segrgbx_core.errors import InputError, LabelError
from segrgbx_core.files.images import planes_of_picture, read_reading, read_rgb
from segrgbx_core.geometry.camera_model import CameraModel
from segrgbx_core.labels.images import from_one, from_zero, ids_of_numbers, numbers_in
from segrgbx_core.labels.label_set import UNLABELLED
from segrgbx_core.readings import ImageReading, Planes, Reading, RgbImage

LAYOUT = "RGB/, Depth/ or HHA/, Label/ and train.txt, test.txt"
SOURCES = ("depth", "hha")
_SPLITS = ("train", "val", "test")
_MILLIMETRES = 1000.0
_NEAREST_M, _FARTHEST_M = 0.8, 10.5


def splits(root: Path) -> tuple[str, ...]:
    """The splits with a list file. Raises InputError for a different layout."""
    _folder(root, "rgb")
    _folder(root, "label", "labels")
    return tuple(name for name in _SPLITS if (root / f"{name}.txt").is_file())


def camera(width: int, height: int) -> CameraModel | None:
    """The Kinect's RGB camera by the owners' toolbox, camera_params.m, less its count from 1.

    The labelled images are undistorted. None for images that are not 640x480.
    """
    if (width, height) != (640, 480):
        return None
    k = np.array([[518.857901, 0, 324.582449], [0, 519.469611, 252.736166], [0, 0, 1]])
    return CameraModel(width, height, k)


class NyuDepthV2(FileDataset):
    """One split of NYUDepthV2.

    x: "depth" for the 16-bit depth images, "hha" for HHA pictures, which enter as planes.
    depth_scale: stored value per metre, 1000 if None. labels_from: 1 if the label images store
    id + 1, and 0 for unlabelled; 0 if they store ids, and 255 for unlabelled.
    """

    def __init__(
        self,
        root: Path,
        split: str,
        x: str = "depth",
        depth_scale: float | None = None,
        labels_from: int = 1,
    ) -> None:
        need_split(root, split, splits(root))
        self._x = x
        self._told = depth_scale is not None
        self._scale = depth_scale or _MILLIMETRES
        self._labels_from = labels_from
        settings = DepthSettings(unit="m", scale=1 / self._scale) if x == "depth" else None
        places = _places(root, split, x)
        super().__init__("nyu_depth_v2", root, places, "depth", "nyu_depth_v2", settings)

    def _pair(self, place: Place) -> tuple[RgbImage, Reading | Planes]:
        rgb = read_rgb(place.rgb)
        if self._x == "hha":
            return rgb, planes_of_picture(place.x[0])
        return rgb, self._depth(place.x[0])

    def _depth(self, path: Path) -> ImageReading:
        depth = read_reading(path)
        if depth.ndim != 2:
            raise InputError(
                f"{path} has {depth.dtype} values of shape {depth.shape}, a picture of depth "
                "without metric values; use a copy with 16-bit depth, or HHA/ (--x hha)."
            )
        if depth.dtype == np.uint8 and not self._told:
            raise InputError(
                f"{path} has 8 bits, which hold no millimetres; if this copy stores metres * "
                "25.5, as some do, add --depth-scale 25.5 (steps of 39 mm), else use one with 16 "
                "bits, or HHA/ (--x hha)."
            )
        holes = depth == np.iinfo(np.uint16).max if depth.dtype == np.uint16 else ~(depth > 0)
        largest = float(np.where(holes, 0, depth).max())
        metres = largest / self._scale
        if largest and not _NEAREST_M <= metres <= _FARTHEST_M:
            raise InputError(
                f"{path} reaches {largest:g}, which at {self._scale:g} per metre is "
                f"{metres:.4g} m, but this set's rooms reach 1 to 10 m; give the stored value "
                "per metre (--depth-scale: 5000 in some repacks, 6528 where 8 bits were stretched "
                "to 16, 25.5 for 8 bits)."
            )
        return depth

    def _labels(self, place: Place) -> Labels:
        numbers = numbers_in(place.labels, channel=0)
        if self._labels_from == 0:
            return ids_of_numbers(numbers, from_zero(self.label_set), place.labels)
        if (numbers == UNLABELLED).any():
            raise LabelError(
                f"{place.labels} holds the value 255, which means unlabelled where ids count from "
                "0, while this set's repacks store 1 to 40, and 0 for unlabelled; if this copy "
                "counts from 0, add --labels-from 0."
            )
        return ids_of_numbers(numbers, from_one(self.label_set), place.labels)


def _folder(root: Path, *names: str) -> Path:
    folder = subfolder(root, *names)
    if folder is not None:
        return folder
    if root.is_dir() and any(root.glob("*.mat")):
        raise InputError(
            f"{root} holds the authors' .mat file, whose 894 classes are not the 40 of label set "
            f"'nyu_depth_v2'; use a repack with {LAYOUT}."
        )
    raise wrong_layout(root, f"NYUDepthV2's {LAYOUT}")


def _places(root: Path, split: str, x: str) -> Iterator[Place]:
    other = next(name for name in SOURCES if name != x)
    x_folder = subfolder(root, x)
    if x_folder is None:
        there = subfolder(root, other)
        way_out = f"it has {there.name}/: choose --x {other}" if there else f"expected {LAYOUT}"
        raise InputError(f"{root} has no folder for {x}; {way_out}.")
    rgb, readings = Folder(_folder(root, "rgb"), ".jpg"), Folder(x_folder, ".png")
    labels = Folder(_folder(root, "label", "labels"), ".png")
    for stem in listed(root / f"{split}.txt", rgb):
        yield Place(stem, split, rgb.file(stem), (readings.file(stem),), labels.file(stem))
