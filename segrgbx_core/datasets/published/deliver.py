# SPDX-License-Identifier: Apache-2.0
"""DeLiVER: simulated drives in five weathers with sensor faults, 25 classes.

Zhang et al., "Delivering Arbitrary-Modal Semantic Segmentation", CVPR 2023. Events and HHA are
stored as pictures without event times or metric depth, so no reading can be recovered from them.
They enter as planes, the three channels as stored.
"""

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from segrgbx_core.datasets.file_dataset import FileDataset
from segrgbx_core.datasets.file_layout import need_split, subfolder, wrong_layout
from segrgbx_core.datasets.samples import Labels, Place
from segrgbx_core.encoding import DepthSettings
from segrgbx_core.errors import InputError
from segrgbx_core.files.images import planes_of_picture, read_pixels, read_rgb
from segrgbx_core.labels.images import from_one, ids_of_numbers, numbers_in
from segrgbx_core.readings import ImageReading, Planes, Reading, RgbImage

LAYOUT = (
    "img/, semantic/ and event/, hha/ or depth/, each with {cloud,fog,night,rain,sun}/"
    "{train,val,test}/<sequence>/<id>_<kind>_front.png"
)
SOURCES = ("event", "hha", "depth")
WEATHERS = ("cloud", "fog", "night", "rain", "sun")
FAULTS = ("motionblur", "overexposure", "underexposure", "lidarjitter", "eventlowres")
_SPLITS = ("train", "val", "test")
_WORDS = {"event": "event", "hha": "depth", "depth": "depth"}
_CARLA_FARTHEST_M = 1000.0


def splits(root: Path) -> tuple[str, ...]:
    """The splits present in at least one weather. Raises InputError for a different layout."""
    images = _images(root)
    return tuple(name for name in _SPLITS if any((images / w / name).is_dir() for w in WEATHERS))


class Deliver(FileDataset):
    """One split of DeLiVER's front view.

    x: "event" or "hha", which enter as planes, or "depth" in metres. depth_scale: stored value
    per metre of grey depth images; coloured ones hold the simulator's 24-bit code.
    """

    def __init__(
        self, root: Path, split: str, x: str = "event", depth_scale: float | None = None
    ) -> None:
        need_split(root, split, splits(root))
        if subfolder(root, x) is None:
            raise wrong_layout(root, f"a folder {x}/ for the chosen X")
        self._x = x
        self._scale = depth_scale
        settings = DepthSettings(unit="m") if x == "depth" else None
        modality = "event" if x == "event" else "depth"
        super().__init__("deliver", root, _places(root, split, x), modality, "deliver", settings)

    def _pair(self, place: Place) -> tuple[RgbImage, Reading | Planes]:
        rgb = read_rgb(place.rgb)
        if self._x != "depth":
            return rgb, planes_of_picture(place.x[0])
        return rgb, self._metres(place.x[0])

    def _metres(self, path: Path) -> ImageReading:
        """From the simulator's code, 1000 m (R + 256 G + 65536 B) / (2^24 - 1), or from 16-bit
        grey by the given scale. Source: CARLA documentation, sensors reference, depth camera."""
        stored = read_pixels(path)
        if stored.ndim == 3 and stored.dtype == np.uint8 and not _is_grey(stored):
            weights = np.array([1, 256, 65536], np.float64)
            count = stored[..., :3] @ weights
            return np.asarray(count * (_CARLA_FARTHEST_M / (2**24 - 1)), np.float32)
        grey = stored if stored.ndim == 2 else stored[..., 0]
        if grey.dtype == np.uint8:
            raise InputError(
                f"{path} is an 8-bit grey picture of depth without metric values; choose --x hha."
            )
        if self._scale is None:
            raise InputError(
                f"{path} holds grey {grey.dtype} values; give the stored value per metre "
                "(--depth-scale)."
            )
        return np.asarray(grey / self._scale, np.float32)

    def _labels(self, place: Place) -> Labels:
        numbers = numbers_in(place.labels, channel=0)
        return ids_of_numbers(numbers, from_one(self.label_set), place.labels)


def _is_grey(image: np.ndarray[tuple[int, ...], np.dtype[np.uint8]]) -> bool:
    return bool((image[..., 0] == image[..., 1]).all() and (image[..., 1] == image[..., 2]).all())


def _images(root: Path) -> Path:
    images = subfolder(root, "img")
    there = images is not None and any((images / weather).is_dir() for weather in WEATHERS)
    if images is None or not there or subfolder(root, "semantic") is None:
        raise wrong_layout(root, f"DeLiVER's {LAYOUT}")
    return images


def _places(root: Path, split: str, x: str) -> Iterator[Place]:
    images, x_root, semantic = _images(root), subfolder(root, x), subfolder(root, "semantic")
    assert x_root is not None
    assert semantic is not None
    for path in sorted(images.glob(f"*/{split}/*/*.png")):
        weather, _, sequence, name = path.relative_to(images).parts
        below = Path(weather, split, sequence)
        yield Place(
            f"{weather}_{sequence}_{path.stem.replace('_rgb_front', '')}",
            split,
            path,
            (x_root / below / name.replace("_rgb_", f"_{_WORDS[x]}_"),),
            semantic / below / name.replace("_rgb_", "_semantic_"),
            condition=weather,
            fault=next((f for f in FAULTS if f in f"{sequence}/{name}".lower()), ""),
            sequence=f"{weather}_{sequence}",
        )
