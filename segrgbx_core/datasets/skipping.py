# SPDX-License-Identifier: Apache-2.0
"""A dataset whose unusable samples are skipped and counted, up to a given share."""

from collections.abc import Callable
from dataclasses import replace
from typing import TypeVar

from segrgbx_core.datasets.samples import LabelledPairs, Labels, Sample, encoded
from segrgbx_core.datasets.table import BAD_SHARE
from segrgbx_core.datasets.wrapping import Wrapped
from segrgbx_core.errors import InputError, LabelError, SegRgbxError
from segrgbx_core.readings import Planes

T = TypeVar("T")


class Skipping(Wrapped):
    """The same samples, encoded, with the next good one instead of one that cannot be used.

    The replacement depends on the files alone, so a training that is resumed, or runs on several
    processes, sees the same samples. on_skip: called once with the error of each bad sample. bad:
    errors by index, of this process.
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
        super().__init__(data)
        self._share = share
        self._on_skip = on_skip
        self.bad: dict[int, str] = {}
        self._good: set[int] = set()

    def __getitem__(self, index: int, /) -> Sample:
        """The sample with X as planes, or the next one that can be read and encoded; the first
        follows the last.

        Raises InputError where more than the share cannot.
        """
        return self._first_good(index, self._encoded)

    def sample_with(self, index: int, encode: Callable[[LabelledPairs, Sample], Planes]) -> Sample:
        """As indexing, with X encoded in another way; encode raises the errors of `encoded`."""

        def read(at: int) -> Sample:
            sample = self._data[at]
            return replace(sample, x=encode(self._data, sample))

        return self._first_good(index, read)

    def labels(self, index: int, /) -> Labels:
        """Labels of the sample, or of the next one whose labels can be read."""
        return self._first_good(index, self._data.labels)

    def usable(self, index: int) -> bool:
        """Whether the sample can be read and encoded, for callers that want no replacement.

        The first call reads it. Raises InputError where more than the share cannot.
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
