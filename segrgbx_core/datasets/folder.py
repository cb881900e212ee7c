# SPDX-License-Identifier: Apache-2.0
"""The plain folder format: `rgb/ x/ labels/` with equal stems and a `dataset.yaml`.

What x/ holds for each modality is what `read_x` reads; a light field or polarization reading may
be a folder, named as its stem.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import yaml

from segrgbx_core.errors import InputError
from segrgbx_core.frame import RgbImage
from segrgbx_core.image_files import read_labels, read_rgb, read_x
from segrgbx_core.labels import UNLABELLED, LabelSet, load_label_set
from segrgbx_core.modality import modality_named
from segrgbx_core.readings import Reading

MANIFEST = "dataset.yaml"


@dataclass(frozen=True)
class Sample:
    """rgb: (H, W, 3) uint8; x: the raw reading; labels: (H, W) uint8, 255 unlabelled."""

    stem: str
    rgb: RgbImage
    x: Reading
    labels: npt.NDArray[np.uint8]
    condition: str


class FolderDataset:
    """Labelled RGB-X pairs below one folder, in the order of their stems.

    The manifest holds `modality`, `label_set` (a shipped name, or a YAML file beside it) and
    optionally `conditions`, a mapping from stem to a word such as day or night, and, for light
    fields whose views lie side by side in one image, `x: {rows: 3, columns: 3}`.
    Raises InputError where the folder, its manifest or a pair's file is missing.
    """

    def __init__(self, folder: Path) -> None:
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
        self._conditions = {str(k): str(v) for k, v in conditions.items()}
        self._grid = self._tiles(manifest.get("x"))
        self._x_files = {p.stem if p.is_file() else p.name: p for p in self._files("x")}
        self._label_files = {p.stem: p for p in self._files("labels")}
        self._rgb_files = self._files("rgb")
        for rgb in self._rgb_files:
            for kind, found in (("x", self._x_files), ("labels", self._label_files)):
                if rgb.stem not in found:
                    raise InputError(f"{rgb} has no partner in {folder / kind}; add or remove it.")

    def _manifest(self) -> dict[object, object]:
        path = self.folder / MANIFEST
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
        return len(self._rgb_files)

    @property
    def stems(self) -> tuple[str, ...]:
        """The samples' names, in order."""
        return tuple(p.stem for p in self._rgb_files)

    def __getitem__(self, index: int) -> Sample:
        path = self._rgb_files[index]
        rgb = read_rgb(path)
        labels = read_labels(self._label_files[path.stem])
        if labels.shape != rgb.shape[:2]:
            raise InputError(
                f"{self._label_files[path.stem]} is {labels.shape[1]}x{labels.shape[0]} and its "
                f"image {rgb.shape[1]}x{rgb.shape[0]}; labels need the image's size."
            )
        beyond = labels[(labels >= len(self.label_set)) & (labels != UNLABELLED)]
        if beyond.size:
            raise InputError(
                f"{self._label_files[path.stem]} has label {int(beyond[0])}; label set "
                f"'{self.label_set.name}' has 0 to {len(self.label_set) - 1} and 255."
            )
        x = read_x(self._x_files[path.stem], self.modality, self._grid)
        return Sample(path.stem, rgb, x, labels, self._conditions.get(path.stem, ""))
