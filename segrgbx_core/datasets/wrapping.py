# SPDX-License-Identifier: Apache-2.0
"""What the datasets that stand before another one share with it."""

from pathlib import Path

from segrgbx_core.datasets.samples import LabelledPairs, Place
from segrgbx_core.encoding import EncodingSettings
from segrgbx_core.labels.label_set import LabelSet


class Wrapped:
    """All of a dataset but its samples, taken from the one that it wraps."""

    def __init__(self, data: LabelledPairs) -> None:
        self._data = data

    @property
    def name(self) -> str:
        """The dataset's."""
        return self._data.name

    @property
    def folder(self) -> Path:
        """The dataset's."""
        return self._data.folder

    @property
    def modality(self) -> str:
        """Modality of X."""
        return self._data.modality

    @property
    def label_set(self) -> LabelSet:
        """Label set of the labels."""
        return self._data.label_set

    @property
    def settings(self) -> EncodingSettings | None:
        """Settings of the encoding."""
        return self._data.settings

    @property
    def places(self) -> tuple[Place, ...]:
        """Places of all samples, in order."""
        return self._data.places

    @property
    def missing(self) -> tuple[Place, ...]:
        """Places with a missing file."""
        return self._data.missing

    def sequence(self, index: int) -> str | None:
        """The video that the sample is a frame of; None for a single shot."""
        return self._data.sequence(index)

    def __len__(self) -> int:
        return len(self._data)
