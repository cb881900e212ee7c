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


def text(found: Findings) -> list[str]:
    """Scores of all variants, and what each part comes to."""
    head = ["model", "mean", "at night", *map(word, found.sensors), "seeds", "minus all three"]
    return [
        "One model of all five sensors in each row, scored as above; the mean is that of the "
        "sensors. Bold is the best of a column.",
        markdown(head, _rows(found, VARIANTS)),
        "From scratch with all steps of the start, where the parts learn from the first step on:",
        markdown(head, _rows(found, _FROM_SCRATCH)),
        "\n".join(_sentences(found)),
    ]


def pictures(found: Findings) -> dict[str, RgbImage | None]:
    """Means over the sensors."""
    rows = [
        Row(name.replace("`", ""), found.over_sensors(run), COLORS[0 if run == FULL else 1])
        for run, name in VARIANTS
    ]
    rows += [
        Row(f"{name}, from scratch", found.over_sensors(run), COLORS[i], i == 0)
        for i, (run, name) in enumerate(_FROM_SCRATCH)
    ]
    alone = ("RGB alone", found.miou("rgb_only", RGB))
    return {"parts.png": dot_chart(f"{TITLE}, mean of the sensors", rows, alone)}


def _rows(found: Findings, variants: Variants) -> list[list[str]]:
    """The first of the variants is what the others are set against."""
    full = variants[0][0]
    return compared([_line(found, run, name, full) for run, name in variants])


def _line(found: Findings, run: str, name: str, full: str) -> Line:
    mean = found.over_sensors(run)
    sensors = (found.miou(run, sensor) for sensor in found.sensors)
    gain = "" if run == full else gain_cell(mean, found.over_sensors(full))
    return Line((name,), (mean, found.over_sensors(run, "night"), *sensors), (gain,))


def _sentences(found: Findings) -> list[str]:
    said = []
    for run, name in _GAINS:
        said += sentence(name, *_verdicts(found, FULL, run))
    (whole, _), (bare, _) = _FROM_SCRATCH
    said += sentence("the three parts together, from scratch", *_verdicts(found, whole, bare))
    against = difference(found.over_sensors(FULL), found.over_sensors(BASELINE))
    return said + sentence("SegRGB-X against `cmx`", ("mean of the sensors", standing(against)))


def _verdicts(found: Findings, new: str, old: str) -> list[tuple[str, str | None]]:
    return [
        (where, verdict(difference(*(found.over_sensors(run, name) for run in (new, old)))))
        for where, name in (("mean of the sensors", "all"), ("at night", "night"))
    ]
