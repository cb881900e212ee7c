# SPDX-License-Identifier: Apache-2.0
"""A dataset whose samples are looked at as they are read, for doubts about them."""

import numpy as np

from segrgbx_core.datasets.samples import LabelledPairs, Labels, Sample
from segrgbx_core.datasets.wrapping import Wrapped
from segrgbx_core.doubts import DoubtLog, doubt_about_labels

MOST_LABELS = 100


class Watched(Wrapped):
    """The same samples; `sentences` says what looked wrong in those that were read."""

    def __init__(self, data: LabelledPairs) -> None:
        super().__init__(data)
        self._log = DoubtLog(data.modality, data.settings)
        self._counts = np.zeros(256, np.int64)
        self._seen: set[int] = set()

    def __getitem__(self, index: int, /) -> Sample:
        """The sample, looked at the first time. Raises the dataset's errors."""
        sample = self._data[index]
        if index not in self._seen:
            self._seen.add(index)
            self._log.look(sample.rgb, sample.x)
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
