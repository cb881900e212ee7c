# SPDX-License-Identifier: Apache-2.0
"""The lines of a run's `frames.csv`: one for each RGB image, written and read."""

import csv
import io
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import TextIO

from segrgbx_core.errors import InputError, guarded
from segrgbx_core.files.disk import input_bytes

FRAMES_FILE = "frames.csv"
SEGMENTED = "segmented"
_SHARE, _IOU, _ALONE = "share_", "iou_", "rgb_alone_iou_"


@dataclass(frozen=True)
class FrameRow:
    """One RGB image of a run; None where nothing was measured.

    index: number of its mask from 0, None without one. stem: name of the mask's files, or the
    image's. stamp_ns: of RGB, None for files. status: "segmented", or the reason of its drop.
    miou, pixel_accuracy, confidence and x_valid (X's valid pixels): shares in 0..1; rgb_alone_*:
    the same image without X. x_reason: why X took no part. skew_ms: X stamp minus RGB stamp. The
    stages are in milliseconds. shares: of the mask's pixels by class and "unlabelled". ious,
    rgb_alone_ious: by class.
    """

    index: int | None
    stem: str
    stamp_ns: int | None
    status: str = SEGMENTED
    condition: str = ""
    miou: float | None = None
    pixel_accuracy: float | None = None
    rgb_alone_miou: float | None = None
    rgb_alone_pixel_accuracy: float | None = None
    confidence: float | None = None
    x_used: bool = False
    x_held: bool = False
    x_reason: str = ""
    x_valid: float | None = None
    skew_ms: float | None = None
    decode_ms: float | None = None
    encode_ms: float | None = None
    model_ms: float | None = None
    output_ms: float | None = None
    shares: Mapping[str, float] = field(default_factory=dict)
    ious: Mapping[str, float | None] = field(default_factory=dict)
    rgb_alone_ious: Mapping[str, float | None] = field(default_factory=dict)

    @property
    def total_ms(self) -> float | None:
        """All stages together in milliseconds; None where the model's time is unknown."""
        if self.model_ms is None:
            return None
        stages = (self.decode_ms, self.encode_ms, self.model_ms, self.output_ms)
        return sum(ms for ms in stages if ms is not None)


_PLAIN = tuple(
    f.name for f in fields(FrameRow) if f.name not in ("shares", "ious", "rgb_alone_ious")
)


class RowWriter:
    """Writes rows to an open text file, one line each, as they come.

    classes: class names in the order of their ids. alone: whether RGB alone is scored as well.
    """

    def __init__(self, file: TextIO, classes: Sequence[str], alone: bool) -> None:
        self._classes, self._alone = tuple(classes), alone
        self._writer = csv.writer(file, lineterminator="\n")
        self._writer.writerow(
            [
                *_PLAIN,
                *(_SHARE + name for name in (*classes, "unlabelled")),
                *(_IOU + name for name in classes),
                *(_ALONE + name for name in classes if alone),
            ]
        )

    def write(self, row: FrameRow) -> None:
        """Appends a row; a cell is empty where nothing was measured."""
        cells = [_cell(getattr(row, name)) for name in _PLAIN]
        cells += [_cell(row.shares.get(name)) for name in (*self._classes, "unlabelled")]
        cells += [_cell(row.ious.get(name)) for name in self._classes]
        if self._alone:
            cells += [_cell(row.rgb_alone_ious.get(name)) for name in self._classes]
        self._writer.writerow(cells)


def _cell(value: object) -> str:
    if value is None or (isinstance(value, float) and not math.isfinite(value)):
        return ""
    if isinstance(value, bool):
        return str(int(value))
    return f"{value:.6f}" if isinstance(value, float) else str(value)


def read_rows(path: Path) -> tuple[FrameRow, ...]:
    """The rows of a `frames.csv`. Raises InputError where it is missing or was not written so."""
    text = input_bytes(path, "a run's frames.csv").decode("utf-8", "replace")
    again = f"{path} is not a run's frames.csv ({{}}); run the same command again."
    with guarded("a run's frames.csv", InputError, again):
        return tuple(_rows(text, path))


def _rows(text: str, path: Path) -> Iterator[FrameRow]:
    lines = csv.DictReader(io.StringIO(text))
    names = lines.fieldnames or ()
    missing = [name for name in _PLAIN if name not in names]
    if missing:
        raise InputError(
            f"{path} has no column {missing[0]}: it was written by another version; run the same "
            "command again."
        )
    for cells in lines:
        yield _row(cells)


def _row(cells: Mapping[str, str]) -> FrameRow:
    def number(name: str) -> float | None:
        value = float(cells[name]) if cells[name] else None
        if value is not None and not math.isfinite(value):
            raise ValueError(f"{name} {cells[name]}")
        return value

    def whole(name: str) -> int | None:
        return int(cells[name]) if cells[name] else None

    def by_class(prefix: str) -> dict[str, float | None]:
        return {n.removeprefix(prefix): number(n) for n in cells if n.startswith(prefix)}

    shares = by_class(_SHARE)
    numbers = {
        name: number(name)
        for name in _PLAIN
        if name.endswith(("_ms", "miou", "pixel_accuracy")) or name in ("confidence", "x_valid")
    }
    return FrameRow(
        index=whole("index"),
        stem=cells["stem"],
        stamp_ns=whole("stamp_ns"),
        status=cells["status"],
        condition=cells["condition"],
        x_used=cells["x_used"] == "1",
        x_held=cells["x_held"] == "1",
        x_reason=cells["x_reason"],
        shares={name: value for name, value in shares.items() if value is not None},
        ious=by_class(_IOU),
        rgb_alone_ious=by_class(_ALONE),
        **numbers,
    )
