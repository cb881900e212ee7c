# SPDX-License-Identifier: Apache-2.0
"""The fourth question: what the three parts bring from a pretrained start, and tries to improve
them."""

from experiments.gather import RGB
from experiments.report.charts import Row, dot_chart
from experiments.report.figures import Findings, difference, gain_cell
from experiments.report.tables import Line, compared, markdown
from experiments.report.wording import sentence, verdict, word
from segrgbx_core.pictures.sheet import COLORS
from segrgbx_core.readings import RgbImage

TITLE = "What the three parts bring"
BARE, FULL = "none", "general"
VARIANTS = (
    (BARE, "without the three parts"),
    (FULL, "all three parts, as in the paper"),
    ("dsrm_everywhere", "all three, DSRM at all four stages"),
    ("sensor_paths", "all three, a low-rank path for each sensor"),
    ("imagenet_tower", "all three, MA-CLIP's tower from ImageNet"),
    ("cmx", "`cmx`: none, two sets of blocks"),
)


def text(findings: Findings) -> list[str]:
    """Scores of all variants, each against the model without the parts."""
    head = ["model", "mean", "at night", *map(word, findings.sensors), "seeds", "minus without"]
    lines = []
    for run, name in VARIANTS:
        mean = findings.over_sensors(run)
        sensors = (findings.miou(run, sensor) for sensor in findings.sensors)
        gain = "" if run == BARE else gain_cell(mean, findings.over_sensors(BARE))
        lines.append(Line((name,), (mean, findings.over_sensors(run, "night"), *sensors), (gain,)))
    said = []
    for run, name in VARIANTS[1:]:
        gains = [
            (where, verdict(difference(*(findings.over_sensors(r, of) for r in (run, BARE)))))
            for where, of in (("mean of the sensors", "all"), ("at night", "night"))
        ]
        said += sentence(name, *gains)
    return [
        "Do MA-CLIP, modality-aligned embedding and DSRM pay, where the encoder starts from "
        "ImageNet? One model of all five sensors in each row, on the streets of the last "
        "question; on real data the first two questions have rows with and without them.",
        markdown(head, compared(lines)),
        "\n".join(said),
    ]


def details(findings: Findings) -> list[str]:
    """Nothing more."""
    del findings
    return []


def pictures(findings: Findings) -> dict[str, RgbImage | None]:
    """Means over the sensors."""
    rows = [
        Row(name.replace("`", ""), findings.over_sensors(run), COLORS[0 if run == BARE else 1])
        for run, name in VARIANTS
    ]
    alone = ("RGB alone", findings.miou("rgb_only", RGB))
    return {"parts.png": dot_chart(f"{TITLE}, mean of the sensors", rows, alone)}
