# SPDX-License-Identifier: Apache-2.0
"""A dataset whose samples are looked at as they are read, for doubts about them."""

from pathlib import Path

import numpy as np

from segrgbx_core.datasets.samples import LabelledPairs, Labels, Place, Sample
from segrgbx_core.doubts import DoubtLog, doubt_about_labels, doubts_about
from segrgbx_core.encoding import EncodingSettings
from segrgbx_core.labels.label_set import LabelSet

MOST_LABELS = 100


class Watched:
    """The same samples; `sentences` says what looked wrong in those that were read."""

    def __init__(self, data: LabelledPairs) -> None:
        self._data = data
        self._log = DoubtLog()
        self._counts = np.zeros(256, np.int64)

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
        """Places of the samples, in order."""
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

    def __getitem__(self, index: int, /) -> Sample:
        """The sample, looked at. Raises the dataset's errors."""
        sample = self._data[index]
        found = doubts_about(self.modality, sample.rgb, sample.x, self.settings)
        self._log.add(found)
        self._counts += np.bincount(sample.labels.ravel(), minlength=256)
        return sample

    def labels(self, index: int, /) -> Labels:
        """The sample's labels alone."""
        return self._data.labels(index)

    def sentences(self) -> tuple[str, ...]:
        """One for each kind of doubt."""
        labels = doubt_about_labels(self.label_set, self._counts)
        return (*self._log.sentences(), *filter(None, [labels]))


def doubt_about_labels_of(data: LabelledPairs) -> str:
    """`doubt_about_labels` of at most 100 samples, evenly spread; empty for other label sets.

    Raises the dataset's errors.
    """
    counts = np.zeros(256, np.int64)
    if len(data.label_set) == 2:
        for index in np.linspace(0, len(data) - 1, min(len(data), MOST_LABELS)).round():
            counts += np.bincount(data.labels(int(index)).ravel(), minlength=256)
    return doubt_about_labels(data.label_set, counts)
