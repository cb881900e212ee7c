# SPDX-License-Identifier: Apache-2.0
"""What every dataset yields, and the little that it must be able to say about itself."""

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
import numpy.typing as npt

from segrgbx_core.encoding import Settings, encode
from segrgbx_core.errors import InputError
from segrgbx_core.labels.label_set import LabelSet
from segrgbx_core.readings import Planes, Reading, RgbImage, same_aspect

Labels = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class Sample:
    """One labelled pair as it is on disk, at its own size.

    rgb: (H, W, 3) uint8; x: the raw reading, or planes where the set keeps no readings but
    pictures made of them; labels: (H, W) uint8, 255 unlabelled. condition: light or weather, such
    as night or fog; fault: of a sensor, such as motionblur; both empty where unknown or none.
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
    """Where one sample's files should be, and what its place says of it.

    x: one path, or those of the views or angles; rgb and x may be the same file. sequence: the
    video it is a frame of; those of one name lie in temporal order.
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
        """The files that are not there, each once."""
        return tuple(
            path for path in dict.fromkeys((self.rgb, *self.x, self.labels)) if not path.exists()
        )


class LabelledPairs(Protocol):
    """A split of a dataset.

    settings: what the encoding must know of its readings, such as a depth's scale. places: of its
    samples, in order; missing: of those that lack a file, which are none of its samples.
    sequence: the video that a sample is a frame of, None for a single shot.
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
    def settings(self) -> Settings | None: ...
    @property
    def places(self) -> tuple[Place, ...]: ...
    @property
    def missing(self) -> tuple[Place, ...]: ...
    def sequence(self, index: int) -> str | None: ...
    def __len__(self) -> int: ...
    def __getitem__(self, index: int, /) -> Sample:
        """Reads a sample. Raises InputError for a file that cannot be read or is of another size
        than its image, LabelError for labels of another set; each names the file."""

    def labels(self, index: int, /) -> Labels:
        """A sample's labels alone, without the time that its X takes."""


def encoded(data: LabelledPairs, sample: Sample) -> Planes:
    """The planes of a sample's X, of its own size; a set's own planes as they are.

    Raises InputError as `encode` does, and for X of another shape than the image, with the
    sample's name.
    """
    return encoded_as(data, sample, sample.x)


def encoded_as(data: LabelledPairs, sample: Sample, x: Reading | Planes) -> Planes:
    """As `encoded`, with another X in the place of the sample's."""
    try:
        planes = encode(data.modality, x, data.settings)
    except InputError as err:
        raise InputError(f"X of sample {sample.stem} in {data.folder}: {err}") from err
    need_aspect(data, sample, planes.valid.shape)
    return planes


def need_aspect(data: LabelledPairs, sample: Sample, size: tuple[int, ...]) -> None:
    """Raises InputError where X, of that height and width, has another shape than the image."""
    if not same_aspect(size, sample.rgb.shape):
        raise InputError(
            f"X of sample {sample.stem} in {data.folder} is {size[1]}x{size[0]} and its image "
            f"{sample.rgb.shape[1]}x{sample.rgb.shape[0]}, whose aspect ratios differ by more "
            "than 2 %; crop or register them to the same field of view."
        )
