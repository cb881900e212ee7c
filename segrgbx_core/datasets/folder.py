# SPDX-License-Identifier: Apache-2.0
"""The plain folder format: `rgb/ x/ labels/` with equal stems and a `dataset.yaml`."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import yaml

from segrgbx_core.errors import InputError
from segrgbx_core.frame import Reading, RgbImage
from segrgbx_core.image_files import read_reading, read_rgb
from segrgbx_core.labels import UNLABELLED, LabelSet, load_label_set
from segrgbx_core.modality import modality_named

MANIFEST = "dataset.yaml"


@dataclass(frozen=True)
class Sample:
    """rgb: (H, W, 3) uint8; x: (h, w) raw reading; labels: (H, W) uint8, 255 unlabelled."""

    stem: str
    rgb: RgbImage
    x: Reading
    labels: npt.NDArray[np.uint8]
    condition: str


def read_labels(path: Path) -> npt.NDArray[np.uint8]:
    """Class ids (H, W) uint8 from an 8-bit grey image; InputError for any other."""
    labels = read_reading(path)
    if labels.ndim != 2 or labels.dtype != np.uint8:
        raise InputError(
            f"{path} holds {labels.dtype} values of shape {labels.shape}; labels are 8-bit class "
            "ids of shape (height, width)."
        )
    return labels.astype(np.uint8, copy=False)


class FolderDataset:
    """Labelled RGB-X pairs below one folder, in the order of their stems.

    The manifest holds `modality`, `label_set` (a shipped name, or a YAML file beside it) and
    optionally `conditions`, a mapping from stem to a word such as day or night.
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
        self._x_files = {p.stem: p for p in self._files("x")}
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

    def _files(self, kind: str) -> list[Path]:
        folder = self.folder / kind
        files = sorted(p for p in folder.iterdir() if p.is_file()) if folder.is_dir() else []
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
        x = read_reading(self._x_files[path.stem])
        return Sample(path.stem, rgb, x, labels, self._conditions.get(path.stem, ""))
