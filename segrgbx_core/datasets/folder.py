# SPDX-License-Identifier: Apache-2.0
"""The plain folder format: `rgb/ x/ labels/` with equal stems and a `dataset.yaml`.

What x/ holds for each modality is what `read_x` reads; a light field or polarization reading may
be a folder, named as its stem.
"""

from collections.abc import Collection
from pathlib import Path

import numpy as np
import yaml

from segrgbx_core.datasets.file_layout import wrong_layout
from segrgbx_core.datasets.samples import Labels, Place, Sample
from segrgbx_core.encoding import Settings
from segrgbx_core.encoding.settings_text import settings_from_text
from segrgbx_core.errors import InputError, LabelError
from segrgbx_core.files.images import read_rgb, read_x
from segrgbx_core.labels.images import numbers_in
from segrgbx_core.labels.label_set import UNLABELLED, LabelSet, load_label_set
from segrgbx_core.modality import modality_named

__all__ = ["MANIFEST", "FolderDataset", "Sample"]

MANIFEST = "dataset.yaml"
_KEYS = ("modality", "label_set", "conditions", "video", "x", "settings")


class FolderDataset:
    """Labelled RGB-X pairs below one folder, in the order of their stems.

    The manifest holds `modality`, `label_set` (a shipped name, or a YAML file beside it) and
    optionally `conditions`, a mapping from stem to a word such as day or night; `video: true`
    where the stems in order are the frames of one video; `settings`, what the sensor's numbers
    mean, such as `{unit: centikelvin}`; and, for light fields whose views lie side by side in one
    image, `x: {rows: 3, columns: 3}`. split: what the samples are said to be of. incomplete:
    pairs that lack a file are in `missing` instead of refused. stems: of all samples those that
    count; None for all. Files of x/ and labels/ without an image are nobody's, and in `strays`.
    Raises InputError where the folder, its manifest or a pair's file is missing, two files have
    one stem, or the manifest holds what it cannot.
    """

    name = "folder"

    def __init__(
        self,
        folder: Path,
        split: str = "",
        incomplete: bool = False,
        stems: Collection[str] | None = None,
    ) -> None:
        self.folder = folder
        manifest = self._manifest()
        self.modality = modality_named(str(manifest.get("modality"))).name
        named = str(manifest.get("label_set"))
        beside = folder / named
        self.label_set: LabelSet = load_label_set(beside if beside.is_file() else named)
        self.settings: Settings | None = self._settings(manifest.get("settings"))
        self._grid = self._tiles(manifest.get("x"))
        video = manifest.get("video", False)
        if not isinstance(video, bool):
            raise InputError(f"{folder / MANIFEST}: 'video' is {video!r}; expected true or false.")
        images = self._files("rgb")
        conditions = self._conditions(manifest.get("conditions"), images)
        chosen = {stem: rgb for stem, rgb in images.items() if stems is None or stem in stems}
        partners = self._files("x"), self._files("labels")
        places = self._paired(chosen, *partners, conditions, split, video)
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
        conditions: dict[str, str],
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
        unknown = [str(key) for key in content if key not in _KEYS]
        if unknown:
            raise InputError(
                f"{path} has unknown keys {', '.join(unknown)}; known: {', '.join(_KEYS)}."
            )
        return content

    def _settings(self, given: object) -> Settings | None:
        """Of the sensor's encoding; None where the manifest gives none."""
        if given is None:
            return None
        manifest = self.folder / MANIFEST
        if not isinstance(given, dict):
            raise InputError(f"{manifest}: 'settings' is {given!r}; expected name: value.")
        texts = [
            f"{name}={str(value).lower() if isinstance(value, bool | None) else value}"
            for name, value in given.items()
        ]
        try:
            return settings_from_text(self.modality, texts)
        except InputError as err:
            raise InputError(f"{manifest}: {err}") from err

    def _conditions(self, given: object, images: dict[str, Path]) -> dict[str, str]:
        """A word for stems of the images."""
        conditions = {} if given is None else given
        manifest = self.folder / MANIFEST
        if not isinstance(conditions, dict):
            raise InputError(f"{manifest}: 'conditions' is not a mapping of stem to word.")
        strange = [stem for stem in conditions if str(stem) not in images]
        if strange:
            quote = "" if isinstance(strange[0], str) else "; quote stems that are digits"
            raise InputError(
                f"{manifest}: 'conditions' names {strange[0]}, of which rgb/ has no image{quote}."
            )
        return {str(stem): str(word) for stem, word in conditions.items()}

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

    def _files(self, kind: str) -> dict[str, Path]:
        """By their stems, in order; hidden ones are nobody's data."""
        folder = self.folder / kind
        folders = kind == "x" and self.modality in ("light_field", "polarization")
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
        labels = numbers_in(path)
        known = (labels >= 0) & (labels < len(self.label_set))
        beyond = labels[~known & (labels != UNLABELLED)]
        if beyond.size:
            raise LabelError(
                f"{path} has label {int(beyond[0])}; label set '{self.label_set.name}' has 0 to "
                f"{len(self.label_set) - 1} and 255."
            )
        return np.ascontiguousarray(labels, np.uint8)
