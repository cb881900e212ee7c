# SPDX-License-Identifier: Apache-2.0
"""Ground truth in a folder of label images that are named by the stamps of their RGB images."""

from bisect import bisect_left
from dataclasses import dataclass
from pathlib import Path

from segrgbx_core.errors import InputError, SegRgbxError
from segrgbx_core.labels.images import label_ids
from segrgbx_core.labels.label_set import UNLABELLED, LabelSet
from segrgbx_core.wording import counted
from segrgbx_ros.truth.recorded import ClassMap, Labels, away

SUFFIXES = (".png", ".npy", ".tif", ".tiff", ".bmp", ".pgm")
_NS_DIGITS, _MOST_SECOND_DIGITS = 9, 11


@dataclass(frozen=True)
class _Named:
    """A file by its stamp. unit_ns: the last digit of its name."""

    stamp_ns: int
    unit_ns: int
    path: Path


class FolderTruth:
    """Label images `<nanoseconds>.png`, or `<seconds>.<decimals>.png`. See GroundTruth.

    A name in seconds with fewer than nine decimals stands for the RGB image within half of its
    last digit. form: how the images hold the classes, see `label_ids`.
    Raises InputError for a folder without such names.
    """

    def __init__(self, folder: Path, form: str, classes: ClassMap, label_set: LabelSet) -> None:
        self.source = str(folder)
        self._form, self._classes, self._label_set = form, classes, label_set
        if not folder.is_dir():
            raise InputError(f"{folder} is no folder; --gt-folder needs one of label images.")
        files = [path for path in sorted(folder.iterdir()) if path.suffix.lower() in SUFFIXES]
        named = [entry for entry in map(_named, files) if entry is not None]
        if not named:
            shown = f", such as {files[0].name}" if files else ""
            raise InputError(
                f"{folder} has {counted(len(files), 'label image')}{shown}, and none is named by "
                "a stamp; expected <nanoseconds>.png or <seconds>.<decimals>.png."
            )
        self._files = sorted(named, key=lambda entry: entry.stamp_ns)
        self._stamps = [entry.stamp_ns for entry in self._files]
        self._odd, self._taken = len(files) - len(named), 0
        self._nearest_ns: int | None = None
        self._problem: str | None = None

    def take(self, stamp_ns: int) -> Labels | None:
        """See GroundTruth."""
        entry = self._of(stamp_ns)
        if entry is None:
            return None
        self._taken += 1
        try:
            ids = label_ids(entry.path, self._form, self._label_set)
            if ids.size and not -1 <= ids.min() <= ids.max() <= UNLABELLED:
                raise InputError(
                    f"{entry.path} holds the class id {int(ids.max())}; expected 0 to 255."
                )
        except SegRgbxError as err:
            self.refuse(str(err))
            return None
        truth: Labels = self._classes.table[ids.astype("uint8")]
        return truth

    def refuse(self, why: str) -> None:
        """See GroundTruth."""
        self._problem = self._problem or why

    def notes(self) -> list[str]:
        """See GroundTruth."""
        notes = [] if self._classes.note is None else [self._classes.note]
        if self._odd:
            notes.append(
                f"{counted(self._odd, 'file')} of {self.source} have no stamp as name and were "
                "left out."
            )
        if self._problem is not None:
            notes.append(f"Some ground truth was not used: {self._problem}")
        elif not self._taken:
            notes.append(
                f"Nothing is scored: none of {counted(len(self._files), 'file')} in {self.source} "
                f"has the stamp of a segmented RGB image{away(self._nearest_ns)}."
            )
        return notes

    def _of(self, stamp_ns: int) -> _Named | None:
        place = bisect_left(self._stamps, stamp_ns)
        near = self._files[max(0, place - 1) : place + 1]
        best = min(near, key=lambda entry: abs(entry.stamp_ns - stamp_ns))
        distance = abs(best.stamp_ns - stamp_ns)
        if 2 * distance <= (best.unit_ns if best.unit_ns > 1 else 0):
            return best
        if self._nearest_ns is None or distance < self._nearest_ns:
            self._nearest_ns = distance
        return None


def _named(path: Path) -> _Named | None:
    whole, point, decimals = path.stem.partition(".")
    if not whole.isdecimal() or not whole.isascii() or (point and not decimals.isdecimal()):
        return None
    if not point and len(whole) > _MOST_SECOND_DIGITS:
        return _Named(int(whole), 1, path)
    digits = decimals[:_NS_DIGITS]
    stamp = int(whole) * 10**_NS_DIGITS + int(digits.ljust(_NS_DIGITS, "0") or 0)
    return _Named(stamp, 10 ** (_NS_DIGITS - len(digits)), path)
