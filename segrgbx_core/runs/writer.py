# SPDX-License-Identifier: Apache-2.0
"""Writes a run's folder as the run goes: masks, and a line for each RGB image."""

from pathlib import Path
from types import TracebackType

from PIL import Image

from segrgbx_core.files.disk import disk_errors, make_folder
from segrgbx_core.labels.images import LabelImage
from segrgbx_core.labels.label_set import LabelSet
from segrgbx_core.runs.counts import COUNTS_FILE, FrameCounts, write_counts
from segrgbx_core.runs.folder import LABELS_FILE, MASK_FOLDER, write_labels
from segrgbx_core.runs.rows import FRAMES_FILE, FrameRow, RowWriter

RUN_FILES = (FRAMES_FILE, COUNTS_FILE, LABELS_FILE)


class RunWriter:
    """Writes `frames.csv`, `labels.json`, `masks/` and, at the end, `scores.npz`.

    alone: whether RGB alone is scored. Files of an earlier run are replaced. Raises OutputError
    where writing fails.
    """

    def __init__(self, folder: Path, label_set: LabelSet, alone: bool) -> None:
        self._folder, self._label_set = folder, label_set
        self._palette = label_set.palette().ravel().tobytes()
        make_folder(folder / MASK_FOLDER)
        write_labels(folder / LABELS_FILE, label_set)
        path = folder / FRAMES_FILE
        with disk_errors(path):
            path.unlink(missing_ok=True)
            self._file = path.open("x", encoding="utf-8", newline="")
            self._rows = RowWriter(self._file, label_set.names, alone)

    def __enter__(self) -> "RunWriter":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        with disk_errors(self._folder / FRAMES_FILE):
            self._file.close()

    def write_mask(self, stem: str, labels: LabelImage) -> None:
        """Writes `masks/<stem>.png` (H, W): class ids with the set's colours as palette."""
        path = self._folder / MASK_FOLDER / f"{stem}.png"
        picture = Image.fromarray(labels, "L")
        picture.putpalette(self._palette)
        with disk_errors(path):
            path.unlink(missing_ok=True)
            with path.open("xb") as file:
                picture.save(file, "PNG", compress_level=1)

    def write_row(self, row: FrameRow) -> None:
        """Appends a line to `frames.csv`."""
        with disk_errors(self._folder / FRAMES_FILE):
            self._rows.write(row)

    def write_counts(self, counts: FrameCounts) -> None:
        """Writes `scores.npz`."""
        write_counts(self._folder / COUNTS_FILE, counts)
