# SPDX-License-Identifier: Apache-2.0
"""What the readers of published datasets share: they find complete samples and check sizes."""

from abc import ABC, abstractmethod
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from segrgbx_core.datasets.samples import Labels, Place, Sample
from segrgbx_core.encoding import EncodingSettings
from segrgbx_core.errors import InputError
from segrgbx_core.labels.label_set import LabelSet, load_label_set
from segrgbx_core.readings import (
    Events,
    LightFieldViews,
    Planes,
    PolarizationState,
    Reading,
    RgbImage,
    same_aspect,
)
from segrgbx_core.readings import PolarizerImages as Polarizers


class FileDataset(ABC):
    """One split of a published dataset; a subclass finds its files and reads them.

    Samples with a missing file are only in `missing`.
    """

    def __init__(
        self,
        name: str,
        folder: Path,
        places: Iterable[Place],
        modality: str,
        label_set: str,
        settings: EncodingSettings | None = None,
    ) -> None:
        """label_set: name of a shipped label set."""
        self.name = name
        self.folder = folder
        self.modality = modality
        self.label_set: LabelSet = load_label_set(label_set)
        self.settings = settings
        incomplete = {place: bool(place.lacking()) for place in places}
        self.places = tuple(place for place, lacks in incomplete.items() if not lacks)
        self.missing = tuple(place for place, lacks in incomplete.items() if lacks)

    def __len__(self) -> int:
        return len(self.places)

    @property
    def stems(self) -> tuple[str, ...]:
        """The samples' names, in order."""
        return tuple(place.stem for place in self.places)

    def sequence(self, index: int) -> str | None:
        """The video that the sample is a frame of; None for a single shot."""
        return self.places[index].sequence

    @abstractmethod
    def _pair(self, place: Place) -> tuple[RgbImage, Reading | Planes]:
        """Reads the two images."""

    @abstractmethod
    def _labels(self, place: Place) -> Labels:
        """Reads the labels as ids of the label set."""

    def labels(self, index: int, /) -> Labels:
        """Raises InputError or LabelError, which name the file."""
        return self._labels(self.places[index])

    def __getitem__(self, index: int, /) -> Sample:
        place = self.places[index]
        rgb, x = self._pair(place)
        labels = self.labels(index)
        check_sizes(place, rgb, x, labels)
        return Sample(
            place.stem, rgb, x, labels, place.condition, fault=place.fault, split=place.split
        )


def check_sizes(place: Place, rgb: RgbImage, x: Reading | Planes, labels: Labels) -> None:
    """Raises InputError where labels or X differ in size from the image. Planes, which are
    pictures of X at any scale, need only the same aspect ratio."""
    image, size = _spoken(rgb.shape), x_size(x)
    if labels.shape != rgb.shape[:2]:
        raise InputError(
            f"{place.labels} is {_spoken(labels.shape)} and its image {place.rgb.name} {image}; "
            "labels need the image's size."
        )
    if size == rgb.shape[:2] or (isinstance(x, Planes) and same_aspect(size, rgb.shape)):
        return
    raise InputError(
        f"{place.x[0]} is {_spoken(size)} and its image {place.rgb.name} {image}; expected X of "
        f"the image's {'aspect' if isinstance(x, Planes) else 'size'}."
    )


def x_size(x: Reading | Planes) -> tuple[int, int]:
    """Height and width in pixels; for a light field, of one view."""
    if isinstance(x, Planes):
        return x.valid.shape[0], x.valid.shape[1]
    if isinstance(x, Events):
        return x.height, x.width
    if isinstance(x, LightFieldViews):
        return x.views.shape[1], x.views.shape[2]
    if isinstance(x, Polarizers):
        return x.intensity.shape[1], x.intensity.shape[2]
    image = x.dolp if isinstance(x, PolarizationState) else np.asarray(x)
    return image.shape[0], image.shape[1]


def _spoken(shape: tuple[int, ...]) -> str:
    return f"{shape[1]}x{shape[0]}"
