# SPDX-License-Identifier: Apache-2.0
"""The plain folder format: `rgb/ x/ labels/` with equal stems and a `dataset.yaml`.

x/ holds what `read_x` reads for the modality; a light field or polarization reading may be a
folder named like its stem.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from segrgbx_core.bounds import LISTING_YAML
from segrgbx_core.datasets.file_layout import wrong_layout
from segrgbx_core.datasets.samples import Labels, Place, Sample
from segrgbx_core.encoding import EncodingSettings, encoding_of, read_x
from segrgbx_core.encoding.settings_text import settings_from_text
from segrgbx_core.errors import InputError, LabelError
from segrgbx_core.files.fields import filled
from segrgbx_core.files.images import read_rgb
from segrgbx_core.files.yaml import read_yaml
from segrgbx_core.labels.images import LABEL_FORMS, label_ids
from segrgbx_core.labels.label_set import UNLABELLED, LabelSet, load_label_set
from segrgbx_core.modality import modality_named

__all__ = ["MANIFEST", "FolderDataset", "Sample"]

MANIFEST = "dataset.yaml"


@dataclass(frozen=True)
class TileGrid:
    """Rows and columns of a light field's views that are tiled in one image."""

    rows: int
    columns: int

    def __post_init__(self) -> None:
        if min(self.rows, self.columns) < 1:
            raise InputError(
                f"A light field has {self.rows} rows and {self.columns} columns of views; "
                "expected 1 or more of each."
            )


@dataclass(frozen=True)
class Manifest:
    """What `dataset.yaml` holds; see `FolderDataset`."""

    modality: str
    label_set: str
    conditions: Mapping[str, str] | None = None
    video: bool = False
    x: TileGrid | None = None
    settings: Mapping[str, object] | None = None
    labels: str = LABEL_FORMS[0]

    def __post_init__(self) -> None:
        if len(self.label_set) > _LONGEST_NAME:
            raise InputError(
                f"label_set has {len(self.label_set)} letters; expected the name of a set, or of "
                "a file beside the manifest."
            )


_LONGEST_NAME = 255


def read_manifest(folder: Path) -> Manifest:
    """Raises InputError where the folder or its manifest is missing or malformed."""
    path = folder / MANIFEST
    if not folder.is_dir():
        raise wrong_layout(folder, f"rgb/, x/, labels/ and {MANIFEST}")
    if not path.is_file():
        raise InputError(
            f"{folder} is no dataset folder: it has no {MANIFEST} naming its modality and "
            "label_set."
        )
    return filled(Manifest, read_yaml(path, InputError, LISTING_YAML), str(path), InputError)


def _label_set_of(manifest: Manifest, folder: Path, top: Path | None) -> str | Path:
    """The label set's name, or its file. top: the folder below which it must lie, None for any.

    A dataset comes from others, and an error may quote the file.
    """
    told = manifest.label_set
    if Path(told).suffix not in (".yaml", ".yml"):
        return told
    path = folder / told
    if top is not None and not path.resolve().is_relative_to(top.resolve()):
        raise InputError(
            f"{folder / MANIFEST} names label set '{told}', a file outside {top}; copy it there, "
            "or add --allow-outside if you trust the dataset."
        )
    return path


class FolderDataset:
    """Labelled RGB-X pairs below one folder, in the order of their stems.

    The manifest holds `modality`, `label_set` (a shipped name, or a YAML file below `root`) and
    optionally `conditions`, a mapping from stem to a word such as day or night; `video: true`
    where the stems in order are the frames of one video; `settings`, what the sensor's numbers
    mean, such as `{unit: centikelvin}`; `labels`, how the label images hold the classes, one of
    LABEL_FORMS; and, for light fields whose views are tiled in one image, `x: {rows: 3, columns:
    3}`. split: the samples' split name. incomplete: put pairs with a missing file into `missing`
    instead of refusing them. stems: the samples to use; None for all. root: what the user named,
    the folder itself or one above it. outside: the label set's file may lie anywhere. Files of x/
    and labels/ without an image are in `strays`. Raises InputError where the folder, its manifest
    or a pair's file is missing, two files have the same stem, or the manifest holds an invalid
    value.
    """

    name = "folder"

    def __init__(
        self,
        folder: Path,
        split: str = "",
        incomplete: bool = False,
        stems: Collection[str] | None = None,
        root: Path | None = None,
        outside: bool = False,
    ) -> None:
        self.folder = folder
        manifest = read_manifest(folder)
        self.modality = modality_named(manifest.modality).name
        top = None if outside else root or folder
        self.label_set: LabelSet = load_label_set(_label_set_of(manifest, folder, top))
        self.settings: EncodingSettings | None = self._settings(manifest.settings)
        self._grid = None if manifest.x is None else (manifest.x.rows, manifest.x.columns)
        self._form = self._label_form(manifest.labels)
        images = self._files("rgb")
        conditions = manifest.conditions or {}
        self._check_conditions(conditions, images)
        chosen = {stem: rgb for stem, rgb in images.items() if stems is None or stem in stems}
        partners = self._files("x"), self._files("labels")
        places = self._paired(chosen, *partners, conditions, split, manifest.video)
        lacking = {place: place.lacking() for place in places}
        self.places = tuple(place for place, files in lacking.items() if not files)
        self.missing = tuple(place for place, files in lacking.items() if files)
        self.strays = tuple(
            path for files in partners for stem, path in files.items() if stem not in images
        )
        if self.missing and not incomplete:
            first = self.missing[0]
            kind = lacking[first][0].parent
            raise InputError(f"{first.rgb} has no partner in {kind}; add or remove it.")

    def _paired(
        self,
        images: dict[str, Path],
        x_files: dict[str, Path],
        label_files: dict[str, Path],
        conditions: Mapping[str, str],
        split: str,
        video: bool,
    ) -> list[Place]:
        return [
            Place(
                stem,
                split,
                rgb,
                (x_files.get(stem, self.folder / "x" / stem),),
                label_files.get(stem, self.folder / "labels" / f"{stem}.png"),
                conditions.get(stem, ""),
                sequence=str(self.folder) if video else None,
            )
            for stem, rgb in images.items()
        ]

    def _settings(self, given: Mapping[str, object] | None) -> EncodingSettings | None:
        """Settings of the sensor's encoding; None where the manifest gives none."""
        texts = [
            f"{name}={str(value).lower() if isinstance(value, bool | None) else value}"
            for name, value in (given or {}).items()
        ]
        try:
            return settings_from_text(self.modality, texts)
        except InputError as err:
            raise InputError(f"{self.folder / MANIFEST}: {err}") from err

    def _label_form(self, form: str) -> str:
        if form not in LABEL_FORMS:
            raise InputError(
                f"{self.folder / MANIFEST}: labels is '{form}'; expected one of "
                f"{', '.join(LABEL_FORMS)}."
            )
        if form == "binary" and len(self.label_set) != 2:
            raise InputError(
                f"{self.folder / MANIFEST}: labels is 'binary', which is for two classes, but "
                f"label set '{self.label_set.name}' has {len(self.label_set)}; leave it out."
            )
        return form

    def _check_conditions(self, stems: Collection[str], images: Collection[str]) -> None:
        strange = [stem for stem in stems if stem not in images]
        if strange:
            raise InputError(
                f"{self.folder / MANIFEST}: 'conditions' names {strange[0]}, but rgb/ has no "
                "image of that stem."
            )

    def _files(self, kind: str) -> dict[str, Path]:
        """By stem, in order; hidden files are skipped."""
        folder = self.folder / kind
        folders = kind == "x" and encoding_of(self.modality).in_folders
        files: dict[str, Path] = {}
        for path in sorted(folder.iterdir()) if folder.is_dir() else ():
            if path.name.startswith(".") or not (path.is_file() or folders):
                continue
            twin = files.setdefault(path.stem if path.is_file() else path.name, path)
            if twin is not path:
                raise InputError(f"{folder} holds both {twin.name} and {path.name}; keep one.")
        if not files:
            raise InputError(f"{folder} has no files; a dataset needs rgb/, x/ and labels/.")
        return dict(sorted(files.items()))

    def __len__(self) -> int:
        return len(self.places)

    @property
    def stems(self) -> tuple[str, ...]:
        """The samples' names, in order."""
        return tuple(place.stem for place in self.places)

    def sequence(self, index: int) -> str | None:
        """The video that the sample is a frame of; None for a single shot."""
        return self.places[index].sequence

    def __getitem__(self, index: int, /) -> Sample:
        place = self.places[index]
        rgb = read_rgb(place.rgb)
        labels = self.labels(index)
        if labels.shape != rgb.shape[:2]:
            raise InputError(
                f"{place.labels} is {labels.shape[1]}x{labels.shape[0]} and its image "
                f"{rgb.shape[1]}x{rgb.shape[0]}; labels need the image's size."
            )
        x = read_x(place.x[0], self.modality, self._grid)
        return Sample(place.stem, rgb, x, labels, place.condition, split=place.split)

    def labels(self, index: int, /) -> Labels:
        """Raises InputError or LabelError, which name the file."""
        path = self.places[index].labels
        labels = label_ids(path, self._form, self.label_set)
        labels = np.where(labels == -1, UNLABELLED, labels)
        known = (labels >= 0) & (labels < len(self.label_set))
        beyond = labels[~known & (labels != UNLABELLED)]
        if beyond.size:
            raise LabelError(
                f"{path} has label {int(beyond[0])}; label set '{self.label_set.name}' has 0 to "
                f"{len(self.label_set) - 1} and 255."
            )
        return np.ascontiguousarray(labels, np.uint8)
