# SPDX-License-Identifier: Apache-2.0
"""The fourth question: real RGB-thermal pairs, from the scenes' weights and from scratch."""

from experiments.charts import Row, dot_chart
from experiments.figures import NOT_RUN, BySeed, Findings, cell, difference
from experiments.gather import RGB, Measured
from experiments.tables import Line, compared, markdown
from experiments.wording import sentence, standing, verdict
from segrgbx_core.evaluation.summary import ALL
from segrgbx_core.pictures.sheet import COLORS
from segrgbx_core.readings import RgbImage

TITLE = "Real RGB-thermal pairs"
MODELS = (("mfnet_segrgbx", "SegRGB-X"), ("mfnet_cmx", "`cmx`"), ("mfnet_rgb_only", "RGB alone"))
STARTS = (("scenes", "scenes' weights"), ("scratch", "from scratch"))
_COLUMNS = (ALL, "day", "night")


def text(findings: Findings) -> list[str]:
    """Scores, IoU by class, and a comparison of the three models."""
    measured = _measured(findings)
    frames = {run.scores[place][ALL].frames for run in measured for place in run.scores}
    if not frames:
        return [f"{NOT_RUN.capitalize()}: `make results MFNET=/path/to/mfnet` runs it."]
    rows = []
    for start, start_name in STARTS:
        lines = [
            Line((start_name, name), tuple(_miou(findings, run, start, c) for c in _COLUMNS))
            for run, name in MODELS
        ]
        rows += compared(lines)
    steps = sorted({run.steps for run in measured})
    return [
        f"{_numbers(frames)} pairs of MFNet's test list, after {_numbers(steps)} steps on its "
        "train list; the best weights are chosen on its val list. The lists are those in the "
        "folder that was given, which need not be the papers'. Class `unlabeled` counts, as its "
        "owners have it. Each mean leaves out the classes that its own images and predictions "
        "lack, so that `all` need not lie between day and night. Bold is the best of a start.",
        markdown(["start", "model", *_COLUMNS, "seeds"], rows, 2),
        "IoU by class:",
        _classes(findings, measured),
        "\n".join(_sentences(findings)),
    ]


def pictures(findings: Findings) -> dict[str, RgbImage | None]:
    """Means over the test list."""
    rows = [
        Row(
            f"{name.replace('`', '')}, {start_name}",
            _miou(findings, run, start),
            COLORS[i],
            i == 0,
        )
        for start, start_name in STARTS
        for i, (run, name) in enumerate(MODELS)
    ]
    return {"mfnet.png": dot_chart(f"{TITLE}, test list", rows)}


def _measured(findings: Findings) -> list[Measured]:
    return [m for run, _ in MODELS for start, _ in STARTS for m in findings.of(f"{run}_{start}")]


def _numbers(values: "set[int] | list[int]") -> str:
    return " or ".join(map(str, sorted(values)))


def _miou(findings: Findings, run: str, start: str, condition: str = ALL) -> BySeed:
    return findings.miou(f"{run}_{start}", _place(run), condition)


def _place(run: str) -> str:
    return RGB if run == "mfnet_rgb_only" else "thermal"


def _classes(findings: Findings, measured: list[Measured]) -> str:
    groups = [run.scores[place][ALL] for run in measured for place in run.scores]
    names = list(dict.fromkeys(name for group in groups for name in group.classes))
    rows = []
    for start, start_name in STARTS:
        for run, name in MODELS:
            place = (f"{run}_{start}", _place(run))
            none = "-" if findings.miou(*place) else NOT_RUN
            values = (findings.iou(*place, c) for c in names)
            rows.append([start_name, name, *(cell(v) if v else none for v in values)])
    return markdown(["start", "model", *names], rows, 2)


def _sentences(findings: Findings) -> list[str]:
    said = []
    for start, start_name in STARTS:
        own = _miou(findings, MODELS[0][0], start)
        parts = [
            (f"SegRGB-X against {name}", standing(difference(own, _miou(findings, run, start))))
            for run, name in MODELS[1:]
        ]
        said += sentence(start_name, *parts)
    parts = [
        (name, verdict(difference(*(_miou(findings, run, start) for start, _ in STARTS))))
        for run, name in MODELS
    ]
    return said + sentence("to start from the scenes' weights", *parts)
