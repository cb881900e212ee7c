# SPDX-License-Identifier: Apache-2.0
"""What every dataset yields, and the protocol that it implements."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
import numpy.typing as npt

from segrgbx_core.encoding import EncodingSettings, encode
from segrgbx_core.errors import InputError
from segrgbx_core.labels.label_set import LabelSet
from segrgbx_core.readings import Planes, Reading, RgbImage, same_aspect

Labels = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class Sample:
    """One labelled pair as stored, at its own size.

    rgb: (H, W, 3) uint8; x: the raw reading, or planes where the set stores only pictures made
    from readings or no X (see `without_x`); labels: (H, W) uint8, 255 unlabelled. condition: light
    or weather, such as night or fog; fault: of a sensor, such as motionblur; both empty if unknown
    or none.
    """

    stem: str
    rgb: RgbImage
    x: Reading | Planes
    labels: Labels
    condition: str
    fault: str = ""
    split: str = ""


@dataclass(frozen=True)
class Place:
    """Where one sample's files should be, and what the paths say about it.

    x: one path, or those of the views or angles; rgb and x may be the same file. sequence: the
    video it is a frame of; samples of the same video are in temporal order.
    """

    stem: str
    split: str
    rgb: Path
    x: tuple[Path, ...]
    labels: Path
    condition: str = ""
    fault: str = ""
    sequence: str | None = None

    def lacking(self) -> tuple[Path, ...]:
        """The missing files, each once."""
        return tuple(
            path for path in dict.fromkeys((self.rgb, *self.x, self.labels)) if not path.exists()
        )


class LabelledPairs(Protocol):
    """A split of a dataset.

    modality: the sensor, NO_X for a set of RGB images alone. settings: what the encoding must know
    about the readings, such as the depth scale. places: of the samples, in order; missing: places
    with a missing file, which are not among the samples. sequence: the video that a sample is a
    frame of, None for a single shot.
    """

    @property
    def name(self) -> str: ...
    @property
    def folder(self) -> Path: ...
    @property
    def modality(self) -> str: ...
    @property
    def label_set(self) -> LabelSet: ...
    @property
    def settings(self) -> EncodingSettings | None: ...
    @property
    def places(self) -> tuple[Place, ...]: ...
    @property
    def missing(self) -> tuple[Place, ...]: ...
    def sequence(self, index: int) -> str | None: ...
    def __len__(self) -> int: ...
    def __getitem__(self, index: int, /) -> Sample:
        """Reads a sample. Raises InputError for a file that cannot be read or differs in size from
        its image, LabelError for labels of another set; each names the file."""

    def labels(self, index: int, /) -> Labels:
        """A sample's labels alone, without reading its X."""


def files_of(data: LabelledPairs) -> Iterator[Path]:
    """The files of all samples, and the folders whose files are a sample's X."""
    for place in data.places:
        yield from (place.rgb, *place.x, place.labels)


def without_x(rgb: RgbImage) -> Planes:
    """The X of a set of RGB images alone: planes of their size without a valid pixel."""
    size = rgb.shape[:2]
    return Planes(np.zeros((3, *size), np.float32), np.zeros(size, bool))


def encoded(data: LabelledPairs, sample: Sample) -> Planes:
    """The planes of a sample's X, at the size of X; stored planes are returned unchanged.

    Raises InputError as `encode` does, and where X differs in aspect ratio from the image; both
    name the sample.
    """
    return encoded_as(data, sample, sample.x)


def encoded_as(data: LabelledPairs, sample: Sample, x: Reading | Planes) -> Planes:
    """As `encoded`, with another X instead of the sample's."""
    try:
        planes = encode(data.modality, x, data.settings)
    except InputError as err:
        raise InputError(f"X of sample {sample.stem} in {data.folder}: {err}") from err
    need_aspect(data, sample, planes.valid.shape)
    return planes


def need_aspect(data: LabelledPairs, sample: Sample, size: tuple[int, ...]) -> None:
    """Raises InputError where the aspect ratio of X, size (height, width), is not the image's."""
    if not same_aspect(size, sample.rgb.shape):
        raise InputError(
            f"X of sample {sample.stem} in {data.folder} is {size[1]}x{size[0]} and its image "
            f"{sample.rgb.shape[1]}x{sample.rgb.shape[0]}, whose aspect ratios differ by more "
            "than 2 %; crop or register them to the same field of view."
        )
