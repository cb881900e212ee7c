# SPDX-License-Identifier: Apache-2.0
"""Checks every file of a copy of a dataset: what is there, what is missing or odd."""

import os
import zlib
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import combinations
from pathlib import Path
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from segrgbx_core.datasets.findings import ClassShare, DatasetCheck, DatasetFindings, SplitCounts
from segrgbx_core.datasets.folder import FolderDataset
from segrgbx_core.datasets.samples import LabelledPairs, Place, encoded, need_aspect
from segrgbx_core.datasets.table import (
    DatasetOptions,
    dataset_named,
    open_whatever_it_lacks,
    splits_in,
)
from segrgbx_core.doubts import (
    NO_READING,
    NOTES,
    ONE_RGB,
    ONE_X,
    SAME_X,
    X_CHECKS,
    Doubt,
    Repeats,
    doubt_about_labels,
    doubts_about,
    image_of,
    repeats_of,
)
from segrgbx_core.errors import InputError, LabelError
from segrgbx_core.files.images import IMAGE_SUFFIXES
from segrgbx_core.labels.label_set import UNLABELLED, LabelSet
from segrgbx_core.modality import NO_X
from segrgbx_core.readings import LightFieldViews
from segrgbx_core.wording import spoken

Splits = Mapping[str, LabelledPairs]
Fingerprint: TypeAlias = npt.NDArray[np.generic]

MOST_BAD = 0.1
_OTHER_CLASSES = 0.5
_AHEAD = 16

UNUSABLE, STRANGE = "samples that cannot be used", "samples with labels of no class"
BLANK = "samples without any label"
MASKS = "labels that look like black-and-white masks"
STRAY = "X and labels without an image"
SHARED, UNLISTED = "samples in two splits", "images in no split"
ABSENT = "classes that never occur"
OTHERS = "splits with another number of samples than published"
NOT_HERE = "published splits that are not here"


@dataclass(frozen=True)
class _Seen:
    """What reading one sample showed. counts: (256,) pixels of each label. rgb, x: equal for
    equal images; None for those of one value, and events."""

    place: Place
    size: str = ""
    counts: npt.NDArray[np.int64] | None = None
    doubts: tuple[Doubt, ...] = ()
    unusable: str = ""
    strange: str = ""
    rgb: Fingerprint | None = None
    x: Fingerprint | None = None


@dataclass
class _Totals:
    """Sums over all samples that could be read."""

    pixels: npt.NDArray[np.int64] = field(default_factory=lambda: np.zeros(256, np.int64))
    occurs: npt.NDArray[np.int64] = field(default_factory=lambda: np.zeros(256, np.int64))
    sizes: Counter[str] = field(default_factory=Counter)
    bad: Counter[str] = field(default_factory=Counter)
    strange: int = 0
    walked: int = 0

    def add(self, seen: _Seen) -> None:
        self.walked += 1
        if seen.counts is None:
            self.bad[seen.place.split] += 1
            self.strange += bool(seen.strange)
            return
        self.sizes[seen.size] += 1
        self.pixels += seen.counts
        self.occurs += seen.counts > 0


def splits_for_check(
    name: str, root: Path, split: str | None, options: DatasetOptions | None = None
) -> Splits:
    """The split, or all splits, even where files are missing.

    Raises InputError for an unknown dataset, split or X, a different layout, no sample at all, or
    subfolders of several sensors or label sets.
    """
    wanted = splits_in(name, root) if split is None else (split,)
    splits = {each: open_whatever_it_lacks(name, root, each, options) for each in wanted}
    if not any(len(data) or data.missing for data in splits.values()):
        layout = dataset_named(name).layout
        raise InputError(f"{root} names no sample of {', '.join(wanted)}; expected {layout}.")
    kinds = {(data.modality, data.label_set.names): split for split, data in splits.items()}
    if len(kinds) > 1:
        raise InputError(
            f"{root} holds folders of several sensors or label sets, among them "
            f"{' and '.join(kinds.values())}; choose one with --split."
        )
    return splits


def check_dataset(
    name: str,
    root: Path,
    splits: Splits,
    x: str | None = None,
    most_bad: float = MOST_BAD,
    on_sample: Callable[[], None] | None = None,
) -> DatasetCheck:
    """Reads every sample of the splits, on all processor cores.

    x: which X they were opened with. most_bad: share of the samples, 0 to 1, that may be
    unusable; beyond it the walk stops. on_sample: called after each sample.
    """
    totals, problems, notes = _Totals(), DatasetFindings(), DatasetFindings()
    _missing(splits, problems)
    stopped = _walk(splits, totals, problems, notes, most_bad, on_sample)
    first = next(iter(splits.values()))
    if stopped is None:
        _shared(splits, problems)
        if set(splits) == set(splits_in(name, root)):
            _not_here(name, splits, notes)
            _unlisted(splits, notes)
        _absent(first.label_set, totals, notes)
        masks = doubt_about_labels(first.label_set, totals.pixels)
        if masks:
            problems.add(MASKS, masks)
    counts = tuple(_counted(name, split, data, totals) for split, data in splits.items())
    _compared(counts, notes)
    return DatasetCheck(
        dataset=name,
        folder=str(root),
        modality=first.modality,
        x=x or next(iter(dataset_named(name).sources), None),
        label_set=first.label_set.name,
        splits=counts,
        classes=_shares(first.label_set, totals),
        unlabelled=int(totals.pixels[UNLABELLED]) / max(1, int(totals.pixels.sum())),
        sizes=dict(totals.sizes.most_common()),
        problems=problems.all(),
        notes=notes.all(),
        stopped=stopped,
    )


def _missing(splits: Splits, problems: DatasetFindings) -> None:
    for split, data in splits.items():
        for place in data.missing:
            lacking = place.lacking()
            more = f" and {len(lacking) - 1} more" if len(lacking) > 1 else ""
            problems.add(f"samples of {split} that lack a file", f"no {lacking[0]}{more}")
        for path in data.strays if isinstance(data, FolderDataset) else ():
            problems.add(STRAY, str(path))


def _not_here(name: str, splits: Splits, notes: DatasetFindings) -> None:
    for split, count in dataset_named(name).counts.items():
        if split not in splits:
            notes.add(NOT_HERE, f"{split}, of {count} samples")


def _walk(
    splits: Splits,
    totals: _Totals,
    problems: DatasetFindings,
    notes: DatasetFindings,
    most_bad: float,
    on_sample: Callable[[], None] | None,
) -> str | None:
    """The reason for stopping early, or None."""
    jobs = [(data, i) for data in splits.values() for i in range(len(data))]
    repeats = repeats_of(next(iter(splits.values())).modality)
    for seen in _looked_at(jobs):
        totals.add(seen)
        _judge(seen, problems, notes)
        _compare(seen, repeats, problems)
        if on_sample is not None:
            on_sample()
        bad = totals.bad.total()
        if bad <= most_bad * len(jobs):
            continue
        why = (
            f"{bad} of the first {totals.walked} samples cannot be used, more than {most_bad:.0%} "
            f"of all {len(jobs)}, so the rest was not read"
        )
        if totals.strange > _OTHER_CLASSES * totals.walked:
            name = next(iter(splits.values())).label_set.name
            return f"{why}; the labels are not those of label set '{name}'"
        return why
    return None


def _looked_at(jobs: list[tuple[LabelledPairs, int]]) -> Iterator[_Seen]:
    """In order, a few ahead on other threads: decoding releases the GIL."""
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for start in range(0, len(jobs), _AHEAD):
            yield from pool.map(_look, jobs[start : start + _AHEAD])


def _look(job: tuple[LabelledPairs, int]) -> _Seen:
    data, index = job
    place = data.places[index]
    try:
        sample = data[index]
        if isinstance(sample.x, LightFieldViews):  # disparity takes too long
            need_aspect(data, sample, sample.x.views.shape[1:3])
        else:
            encoded(data, sample)
    except LabelError as err:
        return _Seen(place, strange=str(err))
    except InputError as err:
        return _Seen(place, unusable=str(err))
    height, width = sample.labels.shape
    counts = np.bincount(sample.labels.ravel(), minlength=256)
    doubts = doubts_about(data.modality, sample.rgb, sample.x, data.settings)
    kinds = {doubt.kind for doubt in doubts}
    rgb = None if ONE_RGB in kinds else _fingerprint(sample.rgb)
    compared = data.modality != NO_X and not kinds & {ONE_X, NO_READING}
    whole = image_of(sample.x) if compared and sample.x is not None else None
    x = None if whole is None else _fingerprint(whole)
    return _Seen(place, f"{width}x{height}", counts.astype(np.int64), doubts, rgb=rgb, x=x)


def _fingerprint(image: npt.NDArray[np.generic]) -> Fingerprint:
    """Small, since images of many threads wait here to be compared in order."""
    return np.array([*image.shape, zlib.crc32(image.tobytes())])


def _judge(seen: _Seen, problems: DatasetFindings, notes: DatasetFindings) -> None:
    if seen.counts is None:
        what = UNUSABLE if seen.unusable else STRANGE
        problems.add(what, seen.unusable or seen.strange)
        return
    for doubt in seen.doubts:
        path = seen.place.x[0] if doubt.kind in X_CHECKS else seen.place.rgb
        findings = notes if doubt.kind in NOTES else problems
        findings.add(f"samples with {doubt.kind}", f"{path}: {doubt.words}")
    if seen.counts[UNLABELLED] == seen.counts.sum():
        problems.add(BLANK, str(seen.place.labels))


def _compare(seen: _Seen, repeats: tuple[Repeats, Repeats], problems: DatasetFindings) -> None:
    for repeated, image in zip(repeats, (seen.rgb, seen.x), strict=True):
        new = 0 if image is None else repeated.add(image)
        for doubt in repeated.now() if new else ():
            path = seen.place.x[0] if doubt.kind == SAME_X else seen.place.rgb
            problems.add(f"samples with {doubt.kind}", f"{path}: {doubt.words}", new)


def _shared(splits: Splits, problems: DatasetFindings) -> None:
    for (one, some), (other, others) in combinations(splits.items(), 2):
        mine = {place.rgb for place in (*some.places, *some.missing)}
        for place in (*others.places, *others.missing):
            if place.rgb in mine:
                problems.add(SHARED, f"{place.stem} is in {one} and {other}")


def _unlisted(splits: Splits, notes: DatasetFindings) -> None:
    """Images in the samples' folders that belong to no split.

    An RGB image that is one of a light field's views has the others beside it.
    """
    places = [place for data in splits.values() for place in (*data.places, *data.missing)]
    known = {place.rgb for place in places if not _among_views(place)}
    for folder in sorted({path.parent for path in known}):
        for path in sorted(folder.iterdir()) if folder.is_dir() else ():
            hidden = path.name.startswith(".")
            if path.suffix.lower() in IMAGE_SUFFIXES and not hidden and path not in known:
                notes.add(UNLISTED, str(path))


def _among_views(place: Place) -> bool:
    return any(x != place.rgb and x.parent == place.rgb.parent for x in place.x)


def _absent(label_set: LabelSet, totals: _Totals, notes: DatasetFindings) -> None:
    named = enumerate(label_set.names)
    absent = [spoken(name) for i, name in named if not totals.pixels[i]]
    if absent and totals.pixels.any():
        notes.add(ABSENT, ", ".join(absent), len(absent))


def _shares(label_set: LabelSet, totals: _Totals) -> tuple[ClassShare, ...]:
    labelled = max(1, int(totals.pixels[: len(label_set)].sum()))
    return tuple(
        ClassShare(name, int(totals.pixels[i]) / labelled, int(totals.occurs[i]))
        for i, name in enumerate(label_set.names)
    )


def _counted(name: str, split: str, data: LabelledPairs, totals: _Totals) -> SplitCounts:
    conditions = Counter(place.condition for place in data.places if place.condition)
    faults = Counter(place.fault for place in data.places if place.fault)
    return SplitCounts(
        name=split,
        samples=len(data) - totals.bad[split],
        missing=len(data.missing),
        bad=totals.bad[split],
        published=dataset_named(name).counts.get(split),
        conditions=dict(sorted(conditions.items())),
        faults=dict(sorted(faults.items())),
    )


def _compared(counts: tuple[SplitCounts, ...], notes: DatasetFindings) -> None:
    for split in counts:
        there = split.samples + split.bad + split.missing
        if split.published not in (None, there):
            notes.add(OTHERS, f"{split.name} has {there} of {split.published}")
