# SPDX-License-Identifier: Apache-2.0
"""The plain folder format: `rgb/ x/ labels/` with equal stems and a `dataset.yaml`.

What x/ holds for each modality is what `read_x` reads; a light field or polarization reading may
be a folder, named as its stem.
"""

from pathlib import Path

import yaml

from segrgbx_core.datasets.file_layout import wrong_layout
from segrgbx_core.datasets.samples import Labels, Place, Sample
from segrgbx_core.encoding import Settings
from segrgbx_core.errors import InputError, LabelError
from segrgbx_core.image_files import read_labels, read_rgb, read_x
from segrgbx_core.labels import UNLABELLED, LabelSet, load_label_set
from segrgbx_core.modality import modality_named

__all__ = ["MANIFEST", "FolderDataset", "Sample"]

MANIFEST = "dataset.yaml"


class FolderDataset:
    """Labelled RGB-X pairs below one folder, in the order of their stems.

    The manifest holds `modality`, `label_set` (a shipped name, or a YAML file beside it) and
    optionally `conditions`, a mapping from stem to a word such as day or night; `video: true`
    where the stems in order are the frames of one video; and, for light fields whose views lie
    side by side in one image, `x: {rows: 3, columns: 3}`. split: what the samples are said to be
    of. incomplete: pairs that lack a file are in `missing` instead of refused.
    Raises InputError where the folder, its manifest or a pair's file is missing.
    """

    name = "folder"
    settings: Settings | None = None

    def __init__(self, folder: Path, split: str = "", incomplete: bool = False) -> None:
        self.folder = folder
        manifest = self._manifest()
        self.modality = modality_named(str(manifest.get("modality"))).name
        named = str(manifest.get("label_set"))
        beside = folder / named
        self.label_set: LabelSet = load_label_set(beside if beside.is_file() else named)
        conditions = manifest.get("conditions") or {}
        if not isinstance(conditions, dict):
            raise InputError(
                f"{folder / MANIFEST}: 'conditions' is not a mapping of stem to word."
            )
        self._grid = self._tiles(manifest.get("x"))
        words = {str(k): str(v) for k, v in conditions.items()}
        places = self._paired(words, split, manifest.get("video") is True)
        lacking = {place: place.lacking() for place in places}
        self.places = tuple(place for place, files in lacking.items() if not files)
        self.missing = tuple(place for place, files in lacking.items() if files)
        if self.missing and not incomplete:
            first = self.missing[0]
            kind = lacking[first][0].parent
            raise InputError(f"{first.rgb} has no partner in {kind}; add or remove it.")

    def _paired(self, conditions: dict[str, str], split: str, video: bool) -> list[Place]:
        x_files = {p.stem if p.is_file() else p.name: p for p in self._files("x")}
        label_files = {p.stem: p for p in self._files("labels")}
        return [
            Place(
                rgb.stem,
                split,
                rgb,
                (x_files.get(rgb.stem, self.folder / "x" / rgb.stem),),
                label_files.get(rgb.stem, self.folder / "labels" / f"{rgb.stem}.png"),
                conditions.get(rgb.stem, ""),
                sequence=str(self.folder) if video else None,
            )
            for rgb in self._files("rgb")
        ]

    def _manifest(self) -> dict[object, object]:
        path = self.folder / MANIFEST
        if not self.folder.is_dir():
            raise wrong_layout(self.folder, f"rgb/, x/, labels/ and {MANIFEST}")
        if not path.is_file():
            raise InputError(
                f"{self.folder} is no dataset folder: it has no {MANIFEST} naming its modality "
                "and label_set."
            )
        try:
            content = yaml.safe_load(path.read_text("utf-8"))
        except (yaml.YAMLError, UnicodeDecodeError) as err:
            raise InputError(f"{path} is not readable YAML ({err.__class__.__name__}).") from err
        if not isinstance(content, dict):
            raise InputError(f"{path} is not a mapping with modality and label_set.")
        return content

    def _tiles(self, about_x: object) -> tuple[int, int] | None:
        """Rows and columns of the views in one image; None where the manifest gives none."""
        if about_x is None:
            return None
        grid = about_x if isinstance(about_x, dict) else {}
        rows, columns = grid.get("rows"), grid.get("columns")
        if not isinstance(rows, int) or not isinstance(columns, int) or min(rows, columns) < 1:
            raise InputError(
                f"{self.folder / MANIFEST}: 'x' is {about_x}; expected rows and columns of a "
                "light field's views, such as {rows: 3, columns: 3}."
            )
        return rows, columns

    def _files(self, kind: str) -> list[Path]:
        folder = self.folder / kind
        folders = kind == "x" and self.modality in ("light_field", "polarization")
        found = folder.iterdir() if folder.is_dir() else ()
        files = sorted(p for p in found if p.is_file() or folders)
        if not files:
            raise InputError(f"{folder} has no files; a dataset needs rgb/, x/ and labels/.")
        return files

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
        labels = read_labels(path)
        beyond = labels[(labels >= len(self.label_set)) & (labels != UNLABELLED)]
        if beyond.size:
            raise LabelError(
                f"{path} has label {int(beyond[0])}; label set '{self.label_set.name}' has 0 to "
                f"{len(self.label_set) - 1} and 255."
            )
        return labels
