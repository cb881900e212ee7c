# SPDX-License-Identifier: Apache-2.0
"""The second question: the ablation, and mixed against per-modality batches."""

from experiments.charts import Row, dot_chart
from experiments.figures import Findings, difference, gain_cell
from experiments.gather import RGB
from experiments.plan import START
from experiments.tables import Line, compared, markdown
from experiments.wording import sentence, standing, verdict, word
from segrgbx_core.pictures.sheet import COLORS
from segrgbx_core.readings import RgbImage

Variants = tuple[tuple[str, str], ...]

TITLE = "What each part brings"
FULL, BASELINE = "general", "cmx"
VARIANTS = (
    (FULL, "all three parts"),
    ("no_ma_clip", "without MA-CLIP (a learned vector a sensor)"),
    ("no_embedding", "without the modality-aligned embedding"),
    ("no_dsrm", "without DSRM"),
    ("none", "none of the three"),
    ("by_modality", "all three, each batch of one sensor"),
    (BASELINE, "`cmx`: none of the three, two sets of blocks"),
)
_FROM_SCRATCH = (("start_all", "all three parts"), (START, "none of the three"))
_GAINS = (
    ("no_ma_clip", "MA-CLIP's scene embedding"),
    ("no_embedding", "modality-aligned embedding"),
    ("no_dsrm", "DSRM"),
    ("none", "the three parts together"),
    ("by_modality", "mixed batches, against batches of one sensor each"),
)


def text(findings: Findings) -> list[str]:
    """Scores of all variants, and the contribution of each part."""
    head = ["model", "mean", "at night", *map(word, findings.sensors), "seeds", "minus all three"]
    return [
        "One model of all five sensors in each row, scored as above; the mean is that of the "
        "sensors. Bold is the best of a column.",
        markdown(head, _rows(findings, VARIANTS)),
        "From scratch with all steps of the start, where the parts learn from the first step on:",
        markdown(head, _rows(findings, _FROM_SCRATCH)),
        "\n".join(_sentences(findings)),
    ]


def pictures(findings: Findings) -> dict[str, RgbImage | None]:
    """Means over the sensors."""
    rows = [
        Row(name.replace("`", ""), findings.over_sensors(run), COLORS[0 if run == FULL else 1])
        for run, name in VARIANTS
    ]
    rows += [
        Row(f"{name}, from scratch", findings.over_sensors(run), COLORS[i], i == 0)
        for i, (run, name) in enumerate(_FROM_SCRATCH)
    ]
    alone = ("RGB alone", findings.miou("rgb_only", RGB))
    return {"parts.png": dot_chart(f"{TITLE}, mean of the sensors", rows, alone)}


def _rows(findings: Findings, variants: Variants) -> list[list[str]]:
    """The first variant is the reference for the others."""
    full = variants[0][0]
    return compared([_line(findings, run, name, full) for run, name in variants])


def _line(findings: Findings, run: str, name: str, full: str) -> Line:
    mean = findings.over_sensors(run)
    sensors = (findings.miou(run, sensor) for sensor in findings.sensors)
    gain = "" if run == full else gain_cell(mean, findings.over_sensors(full))
    return Line((name,), (mean, findings.over_sensors(run, "night"), *sensors), (gain,))


def _sentences(findings: Findings) -> list[str]:
    said = []
    for run, name in _GAINS:
        said += sentence(name, *_verdicts(findings, FULL, run))
    (whole, _), (bare, _) = _FROM_SCRATCH
    said += sentence("the three parts together, from scratch", *_verdicts(findings, whole, bare))
    against = difference(findings.over_sensors(FULL), findings.over_sensors(BASELINE))
    return said + sentence("SegRGB-X against `cmx`", ("mean of the sensors", standing(against)))


def _verdicts(findings: Findings, new: str, old: str) -> list[tuple[str, str | None]]:
    return [
        (where, verdict(difference(*(findings.over_sensors(run, name) for run in (new, old)))))
        for where, name in (("mean of the sensors", "all"), ("at night", "night"))
    ]
