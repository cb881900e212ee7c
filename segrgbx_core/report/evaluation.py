# SPDX-License-Identifier: Apache-2.0
"""The HTML report of an evaluation: protocol, figures and pictures in one file."""

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from segrgbx_core.evaluation.results import Pictures
from segrgbx_core.evaluation.summary import ALL, EvaluationSummary, GroupScores
from segrgbx_core.files.disk import write_whole
from segrgbx_core.files.images import read_rgb
from segrgbx_core.modality import data_of
from segrgbx_core.report.page import (
    REPORT_FILE,
    Figure,
    Panel,
    Row,
    css,
    panel_of,
    render_page,
)
from segrgbx_core.wording import counted, share, spoken

TEMPLATE = Path(__file__).with_name("evaluation.html.j2")
_WORST_WIDTH = 1100


@dataclass(frozen=True)
class Cell:
    """A cell of a table. text: a share or a dash. percent: 0..100, strength of the background."""

    text: str
    percent: int


@dataclass(frozen=True)
class ClassRow:
    """A class, its colour in CSS syntax, and its IoU over all frames and conditions."""

    name: str
    color: str
    cells: tuple[Cell, ...]


@dataclass(frozen=True)
class EvaluationView:
    """Everything that the template shows except the pictures."""

    title: str
    subtitle: str
    protocol: tuple[str, ...]
    notices: tuple[str, ...]
    figures: tuple[Figure, ...]
    columns: tuple[str, ...]
    classes: tuple[ClassRow, ...]
    totals: tuple[Row, ...]
    worst_note: str
    model: tuple[Row, ...]
    run_on: tuple[Row, ...]


def write_page(
    folder: Path, summary: EvaluationSummary, protocol: Sequence[str], pictures: Pictures
) -> Path:
    """Writes `report.html` to the folder and returns its path.

    Raises OutputError if it cannot be written.
    """
    worst = [
        panel_of(path, _WORST_WIDTH, _worst_caption(summary, i))
        for i, path in enumerate(pictures.worst)
    ]
    page = render_page(
        TEMPLATE,
        report=evaluation_view(summary, protocol),
        confusion=None if pictures.confusion is None else _exact(pictures.confusion, "Confusion"),
        curves=[_exact(path, spoken(path.stem)) for path in pictures.curves],
        worst=worst,
    )
    write_whole(folder / REPORT_FILE, page)
    return folder / REPORT_FILE


def evaluation_view(summary: EvaluationSummary, protocol: Sequence[str]) -> EvaluationView:
    """The summary as text for the template."""
    data = summary.dataset
    what = f"RGB with {data_of(data.modality)}" if summary.x_used else "RGB alone"
    split = f", split {data.split}" if data.split else ""
    return EvaluationView(
        title=f"{summary.model.name} on {Path(data.folder).resolve().name}",
        subtitle=f"{counted(data.samples, 'sample')} of {what}{split}",
        protocol=tuple(protocol),
        notices=_notices(summary),
        figures=_figures(summary),
        columns=tuple(spoken(name) for name in summary.scores),
        classes=_classes(summary),
        totals=_totals(summary.scores),
        worst_note="The frames of the lowest mean IoU over the classes in their own truth or "
        "segmentation, the worst first. All frames' scores are in frames.csv.",
        model=_model(summary),
        run_on=_run_on(summary),
    )


def _notices(summary: EvaluationSummary) -> tuple[str, ...]:
    left_out = summary.dataset.left_out
    said = [] if summary.interrupted is None else [summary.interrupted]
    if left_out:
        verb = "lacks" if left_out == 1 else "lack"
        sentence = f"of the split {verb} a file and had to be left out."
        said.append(f"{counted(left_out, 'sample')} {sentence}")
    return tuple(said)


def _figures(summary: EvaluationSummary) -> tuple[Figure, ...]:
    whole = summary.scores[ALL]
    classes = len(whole.per_class_iou) - len(whole.absent)
    figures = [
        Figure("Mean IoU", share(whole.miou), note=f"over {counted(classes, 'class', 'classes')}"),
        Figure("Pixel accuracy", share(whole.pixel_accuracy)),
    ]
    ranked = sorted(
        (scores.miou, name)
        for name, scores in summary.scores.items()
        if name != ALL and scores.miou is not None
    )
    if len(ranked) > 1:
        worst = ranked[0]
        figures.append(Figure("Worst condition", share(worst[0]), note=spoken(worst[1])))
    alone = next((c.rgb_alone_miou for c in summary.curves if c.frames == whole.frames), None)
    if alone is not None:
        figures.append(
            Figure("RGB alone", share(alone), note="mean IoU of the same model without X")
        )
    figures.append(Figure("Samples", str(whole.frames)))
    return tuple(figures)


def _classes(summary: EvaluationSummary) -> tuple[ClassRow, ...]:
    return tuple(
        ClassRow(
            spoken(name),
            css(rgb),
            tuple(_cell(scores.per_class_iou[name]) for scores in summary.scores.values()),
        )
        for name, rgb in summary.dataset.class_colors.items()
    )


def _cell(value: float | None) -> Cell:
    return Cell("absent" if value is None else share(value), round((value or 0.0) * 100))


def _totals(scores: Mapping[str, GroupScores]) -> tuple[Row, ...]:
    columns = scores.values()
    return (
        Row("mean IoU", tuple(share(c.miou) for c in columns)),
        Row("pixel accuracy", tuple(share(c.pixel_accuracy) for c in columns)),
        Row("samples", tuple(str(c.frames) for c in columns)),
    )


def _worst_caption(summary: EvaluationSummary, place: int) -> str:
    frame = summary.worst[place]
    words = [word for word in (frame.condition, frame.fault) if word]
    about = f" ({', '.join(words)})" if words else ""
    return f"{frame.stem}{about}: mean IoU {share(frame.miou)}"


def _model(summary: EvaluationSummary) -> tuple[Row, ...]:
    model = summary.model
    sensors = ", ".join(map(spoken, model.modalities)) or "none (RGB alone)"
    rows = [
        Row("Name", (model.name,)),
        Row("What", (model.description,)),
        Row("X sensors", (sensors,)),
        Row("Answers in", (model.answers,)),
    ]
    rows += [Row(f"Training: {spoken(k)}", (str(v),)) for k, v in model.training.items()]
    return (*rows, Row("Licence", (model.license,)))


def _run_on(summary: EvaluationSummary) -> tuple[Row, ...]:
    data = summary.dataset
    return (
        Row("Dataset", (f"{data.name}, {data.folder}",)),
        Row("Label set", (data.label_set,)),
        Row("Device", (f"{summary.device} in {summary.precision}",)),
        Row("Time", (f"{summary.seconds:.0f} s",)),
        *(Row(name, (number,)) for name, number in summary.versions.items()),
    )


def _exact(file: Path, caption: str) -> Panel:
    """A chart as its original PNG; JPEG would blur its lines."""
    height, width = read_rgb(file).shape[:2]
    source = "data:image/png;base64," + base64.b64encode(file.read_bytes()).decode()
    return Panel(source, caption, width, height)
