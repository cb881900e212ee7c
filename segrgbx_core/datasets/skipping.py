# SPDX-License-Identifier: Apache-2.0
"""A dataset in which a few files cannot be used: skipped and counted, up to a stated share."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

from segrgbx_core.datasets.samples import LabelledPairs, Labels, Place, Sample, encoded
from segrgbx_core.datasets.table import BAD_SHARE
from segrgbx_core.encoding import Settings
from segrgbx_core.errors import InputError, LabelError, SegRgbxError
from segrgbx_core.labels.label_set import LabelSet

T = TypeVar("T")


class Skipping:
    """The same samples, encoded, with the next good one in the place of one that cannot be used.

    Which one stands in depends on the files alone, so that a training which goes on later, or on
    several processes, sees the same. on_skip: hears the error of each bad sample once. bad: errors
    by index, of this process.
    """

    def __init__(
        self,
        data: LabelledPairs,
        share: float = BAD_SHARE,
        on_skip: Callable[[str], None] | None = None,
    ) -> None:
        """share: of the samples, 0 to 1, that may be bad."""
        if not 0 <= share <= 1:
            raise InputError(f"The share of samples to skip is {share}; expected 0 to 1.")
        self._data = data
        self._share = share
        self._on_skip = on_skip
        self.bad: dict[int, str] = {}
        self._good: set[int] = set()

    @property
    def name(self) -> str:
        """Of the dataset."""
        return self._data.name

    @property
    def folder(self) -> Path:
        """Of the dataset."""
        return self._data.folder

    @property
    def modality(self) -> str:
        """Of X."""
        return self._data.modality

    @property
    def label_set(self) -> LabelSet:
        """Of the labels."""
        return self._data.label_set

    @property
    def settings(self) -> Settings | None:
        """Of the encoding."""
        return self._data.settings

    @property
    def places(self) -> tuple[Place, ...]:
        """Of all samples, bad ones included."""
        return self._data.places

    @property
    def missing(self) -> tuple[Place, ...]:
        """Of samples that lack a file."""
        return self._data.missing

    def sequence(self, index: int) -> str | None:
        """The video that the sample is a frame of; None for a single shot."""
        return self._data.sequence(index)

    def __len__(self) -> int:
        return len(self._data)

    def __getitem__(self, index: int, /) -> Sample:
        """The sample with X as planes, or the next one that can be read and encoded, the first
        after the last.

        Raises InputError where more than the share cannot.
        """
        return self._first_good(index, self._encoded)

    def labels(self, index: int, /) -> Labels:
        """Those of the sample, or of the next one whose labels can be read."""
        return self._first_good(index, self._data.labels)

    def usable(self, index: int) -> bool:
        """Whether the sample can be read and encoded, for who wants no other in its place.

        Reads it when first asked. Raises InputError where more than the share cannot.
        """
        if index not in self._good and index not in self.bad:
            try:
                self._encoded(index)
            except (InputError, LabelError) as err:
                self._note(index, err)
            else:
                self._good.add(index)
        return index in self._good

    def _encoded(self, index: int) -> Sample:
        sample = self._data[index]
        return replace(sample, x=encoded(self._data, sample))

    def _first_good(self, index: int, read: Callable[[int], T]) -> T:
        for step in range(len(self)):
            at = (index + step) % len(self)
            if at in self.bad:
                continue
            try:
                return read(at)
            except (InputError, LabelError) as err:
                self._note(at, err)
        raise InputError(f"None of the {len(self)} samples of {self.folder} can be read.")

    def _note(self, index: int, err: SegRgbxError) -> None:
        self.bad[index] = str(err)
        if len(self.bad) > self._share * len(self):
            raise InputError(
                f"{len(self.bad)} of {len(self)} samples of {self.folder} cannot be used, more "
                f"than the {self._share:.1%} that may be skipped; the last: {err} (`segrgbx data "
                "check` lists all)"
            ) from err
        if self._on_skip is not None:
            self._on_skip(str(err))
