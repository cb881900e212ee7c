# SPDX-License-Identifier: Apache-2.0
"""Writes the plain folder format that `FolderDataset` reads."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from segrgbx_core.datasets.folder import MANIFEST
from segrgbx_core.datasets.samples import Labels
from segrgbx_core.files.disk import make_folder, write_whole
from segrgbx_core.files.events import EVENT_SUFFIX, write_events
from segrgbx_core.files.images import write_png
from segrgbx_core.files.yaml import yaml_text
from segrgbx_core.readings import Events, LightFieldViews, Reading, RgbImage
from segrgbx_core.tiles import tiled


def start_folder(folder: Path) -> None:
    """Makes the three folders. Raises OutputError as `make_folder` does."""
    for kind in ("rgb", "x", "labels"):
        make_folder(folder / kind)


def write_pair(folder: Path, stem: str, rgb: RgbImage, x: Reading, labels: Labels) -> None:
    """Writes the RGB image last, so that a pair with one is complete.

    x: events, light-field views (written tiled), or an image of uint8 or uint16. Raises TypeError
    for another X, and OutputError where the disk refuses.
    """
    if isinstance(x, Events):
        write_events(folder / "x" / f"{stem}{EVENT_SUFFIX}", x)
    elif isinstance(x, LightFieldViews):
        write_png(folder / "x" / f"{stem}.png", tiled(x))
    elif isinstance(x, np.ndarray) and x.dtype in (np.uint8, np.uint16):
        deep = x.dtype == np.uint16
        write_png(folder / "x" / f"{stem}.png", x.astype(np.uint16 if deep else np.uint8))
    else:
        raise TypeError(f"A reading of type {type(x).__name__} cannot be written.")
    write_png(folder / "labels" / f"{stem}.png", labels)
    write_png(folder / "rgb" / f"{stem}.png", rgb)


def finish_folder(
    folder: Path,
    modality: str,
    label_set: str,
    conditions: Mapping[str, str],
    grid: tuple[int, int] | None = None,
    video: bool = False,
) -> None:
    """Writes the manifest. grid: rows and columns of tiled light-field views."""
    content: dict[str, object] = {"modality": modality, "label_set": label_set}
    if video:
        content["video"] = True
    if grid is not None:
        content["x"] = {"rows": grid[0], "columns": grid[1]}
    content["conditions"] = dict(conditions)
    write_whole(folder / MANIFEST, yaml_text(content).encode())
