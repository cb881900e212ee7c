# SPDX-License-Identifier: Apache-2.0
"""What `segrgbx segment` leaves of image folders besides its pictures: a run with its page."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from statistics import median
from types import TracebackType

import numpy as np

from segrgbx_core.files.disk import write_whole
from segrgbx_core.files.resources import versions
from segrgbx_core.modality import NO_X, data_of
from segrgbx_core.pictures.frames import x_picture
from segrgbx_core.readings import Planes, RgbImage
from segrgbx_core.report.layers import LayerWriter
from segrgbx_core.report.page import Figure, Row
from segrgbx_core.report.run_page import page_files, write_run_page
from segrgbx_core.report.run_view import RunView, Table, model_rows
from segrgbx_core.runs.folder import MASK_FOLDER, RUN_FORMAT, SUMMARY_FILE, RunFacts, Setting
from segrgbx_core.runs.rows import FrameRow
from segrgbx_core.runs.writer import RUN_FILES, RunWriter
from segrgbx_core.segmentation import Segmentation, class_fractions, mean_confidence
from segrgbx_core.segmenter import Segmenter
from segrgbx_core.wording import counted, milliseconds

SKIPPED = "skipped"


def run_files(out: Path, stems: Sequence[str]) -> list[Path]:
    """The files of a run of those images, there or not."""
    masks = [out / MASK_FOLDER / f"{stem}.png" for stem in stems]
    return [*masks, *(out / name for name in (*RUN_FILES, SUMMARY_FILE)), *page_files(out)]


class SegmentRun:
    """Writes the run of image folders: rows, palette masks, layers, and at the end the page.

    expected: number of images. modality: of X, "none" for RGB alone. Raises OutputError where
    writing fails.
    """

    def __init__(
        self,
        out: Path,
        segmenter: Segmenter,
        source: str,
        modality: str,
        settings: Mapping[str, Setting],
        expected: int,
    ) -> None:
        self._out, self._segmenter = out, segmenter
        self._source, self._modality, self._settings = source, modality, settings
        self._rows: list[FrameRow] = []
        self._segmented = 0
        self._layers = LayerWriter(out, expected)
        self._writer: RunWriter | None = None

    def __enter__(self) -> "SegmentRun":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._writer is not None:
            self._writer.__exit__(kind, value, trace)

    def add(
        self,
        stem: str,
        rgb: RgbImage,
        planes: Planes | None,
        result: Segmentation,
        encode_ms: float,
        model_ms: float,
    ) -> None:
        """Adds a segmented image; planes: the model's input from X, None for RGB alone."""
        index = self._segmented
        used = result.modality != NO_X
        x = x_picture(planes.data, result.modality, planes.valid) if planes and used else None
        self._layers.write(index, rgb, x, result.labels, None, result.confidence_image())
        self._opened().write_mask(stem, result.labels)
        confidence = mean_confidence(result)
        shares, unlabelled = class_fractions(result)
        named = zip(result.label_set.names, map(float, shares), strict=True)
        self._add_row(
            FrameRow(
                index=index,
                stem=stem,
                stamp_ns=None,
                confidence=confidence if np.isfinite(confidence) else None,
                x_used=used,
                x_reason="no pixel of X is valid" if planes is not None and not used else "",
                x_valid=result.x_valid,
                encode_ms=None if planes is None else encode_ms,
                model_ms=model_ms,
                shares={**dict(named), "unlabelled": unlabelled},
            )
        )
        self._segmented += 1

    def skip(self, stem: str) -> None:
        """Adds an image that could not be segmented."""
        self._add_row(FrameRow(None, stem, None, SKIPPED))

    def _opened(self) -> RunWriter:
        """The files, made with the first mask: nothing is left where there is none."""
        if self._writer is None:
            self._writer = RunWriter(self._out, self._segmenter.label_set, alone=False)
            for row in self._rows:
                self._writer.write_row(row)
        return self._writer

    def _add_row(self, row: FrameRow) -> None:
        self._rows.append(row)
        if self._writer is not None:
            self._writer.write_row(row)

    def finish(self, warnings: Sequence[str], notices: Sequence[str]) -> Path:
        """Writes `summary.json` and the page, with these sentences at its top; the page's path."""
        facts = RunFacts(
            format=RUN_FORMAT,
            kind="segment",
            source=self._source,
            model=self._segmenter.card.name,
            modality=self._modality,
            label_set=self._segmenter.label_set.name,
            scored_by=None,
            settings=self._settings,
        )
        numbers = {"segmented": self._segmented, "skipped": len(self._rows) - self._segmented}
        content = {"run": asdict(facts), "images": numbers, "versions": versions()}
        write_whole(self._out / SUMMARY_FILE, (json.dumps(content, indent=2) + "\n").encode())
        view = self._view(warnings, notices)
        return write_run_page(self._out, view, self._segmenter.label_set, self._rows)

    def _view(self, warnings: Sequence[str], notices: Sequence[str]) -> RunView:
        card = self._segmenter.card
        with_x = self._modality != NO_X
        what = f"RGB with {data_of(self._modality)}" if with_x else "RGB alone"
        images = counted(self._segmented, "image")
        model = model_rows(
            card.name, card.description, card.modalities, card.training, card.license
        )
        return RunView(
            kicker="SegRGB-X segment",
            title=Path(self._source).resolve().name,
            subtitle=f"{images} of {what}, segmented by model {card.name}",
            warnings=tuple(warnings),
            notices=tuple(notices),
            figures=self._figures(),
            tables=(
                Table("Settings", self._setting_rows()),
                Table("Model", model),
                Table("Run on", self._placed()),
            ),
            x_name=data_of(self._modality) if with_x else None,
            unscored="Plain image folders have no ground truth; the commands evaluate and replay "
            "score labelled data.",
            limits=card.limits,
        )

    def _figures(self) -> tuple[Figure, ...]:
        rows = [row for row in self._rows if row.index is not None]
        total = [row.total_ms for row in rows if row.total_ms is not None]
        sure = [row.confidence for row in rows if row.confidence is not None]
        figures = [Figure("Images segmented", str(len(rows)), f"of {len(self._rows)}")]
        if total:
            figures.append(Figure("Time an image", milliseconds(median(total)), "ms", "median"))
        if sure:
            figures.append(Figure("Mean confidence", f"{np.mean(sure):.2f}", note="0 to 1"))
        return tuple(figures)

    def _setting_rows(self) -> tuple[Row, ...]:
        given = {"source": self._source, **self._settings}
        return tuple(Row(name, (str(value),)) for name, value in given.items())

    def _placed(self) -> tuple[Row, ...]:
        segmenter = self._segmenter
        where = f"{segmenter.device} in {segmenter.precision}, {segmenter.backend}"
        return (Row("device", (where,)), *(Row(n, (v,)) for n, v in versions().items()))
