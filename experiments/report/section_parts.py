# SPDX-License-Identifier: Apache-2.0
"""The fourth question: what the three parts bring from a pretrained start, and tries to improve
them."""

from dataclasses import dataclass

from experiments.gather import RGB
from experiments.report.charts import Row, dot_chart
from experiments.report.figures import BySeed, Findings, difference, gain_cell
from experiments.report.tables import Line, compared, markdown
from experiments.report.wording import sentence, verdict, word
from segrgbx_core.pictures.sheet import COLORS
from segrgbx_core.readings import RgbImage

TITLE = "What the three parts bring"
BARE, FULL = "none", "general"


@dataclass(frozen=True)
class _Variant:
    """A row. run: on streets. real: on NYUDepthV2 and on MFNet, where there is such a run."""

    run: str
    name: str
    real: tuple[str | None, str | None] = (None, None)


VARIANTS = (
    _Variant(BARE, "without the three parts", ("nyu_none", "mfnet_none")),
    _Variant(FULL, "all three parts, as in the paper", ("nyu_segrgbx", "mfnet_segrgbx")),
    _Variant(
        "dsrm_everywhere", "all three, DSRM at all four stages", (None, "mfnet_dsrm_everywhere")
    ),
    _Variant(
        "sensor_paths", "all three, a low-rank path for each sensor", (None, "mfnet_sensor_paths")
    ),
    _Variant(
        "imagenet_tower",
        "all three, MA-CLIP's tower from ImageNet",
        (None, "mfnet_imagenet_tower"),
    ),
    _Variant("cmx", "`cmx`: none, two sets of blocks", ("nyu_cmx", None)),
)
_REAL = (("NYUDepthV2", "depth"), ("MFNet", "thermal"))


def text(findings: Findings) -> list[str]:
    """Scores of all variants, each against the model without the parts."""
    head = ["model", "mean", "at night", *map(word, findings.sensors), "seeds", "minus without"]
    lines, real = [], []
    for variant in VARIANTS:
        mean, night = (findings.over_sensors(variant.run, of) for of in ("all", "night"))
        sensors = (findings.miou(variant.run, sensor) for sensor in findings.sensors)
        gains = _gains(findings, variant)
        lines.append(Line((variant.name,), (mean, night, *sensors), (gains[0],)))
        real.append([variant.name, *gains])
    said = []
    for variant in VARIANTS[1:]:
        verdicts = [
            (
                where,
                verdict(difference(*(findings.over_sensors(r, of) for r in (variant.run, BARE)))),
            )
            for where, of in (("streets", "all"), ("streets at night", "night"))
        ]
        verdicts += [
            (where, verdict(difference(*sides)))
            for where, sides in _on_real(findings, variant)
            if sides is not None
        ]
        said += sentence(variant.name, *verdicts)
    return [
        "Do MA-CLIP, modality-aligned embedding and DSRM pay, where the encoder starts from "
        "ImageNet? One model of all five sensors in each row, on the streets of the last "
        "question; three tries to make the parts pay.",
        markdown(head, compared(lines)),
        "The same on real data, each minus the model without the parts:",
        markdown(["model", "streets", *(name for name, _ in _REAL)], real[1:]),
        "\n".join(said),
    ]


def _gains(findings: Findings, variant: _Variant) -> list[str]:
    """On streets and on each real set, minus the model without the parts."""
    bare = VARIANTS[0]
    gains = [gain_cell(*(findings.over_sensors(v.run) for v in (variant, bare)))]
    for _, sides in _on_real(findings, variant):
        gains.append("-" if sides is None else gain_cell(*sides))
    return ["" if variant is bare else gain for gain in gains]


def _on_real(
    findings: Findings, variant: _Variant
) -> list[tuple[str, tuple[BySeed, BySeed] | None]]:
    """For each real set, its name and the scores with and without the parts; None where the plan
    has no such run."""
    found: list[tuple[str, tuple[BySeed, BySeed] | None]] = []
    for (name, sensor), run, bare in zip(_REAL, variant.real, VARIANTS[0].real, strict=True):
        sides = None
        if run is not None and bare is not None:
            sides = findings.miou(run, sensor), findings.miou(bare, sensor)
        found.append((name, sides))
    return found


def details(findings: Findings) -> list[str]:
    """Nothing more."""
    del findings
    return []


def pictures(findings: Findings) -> dict[str, RgbImage | None]:
    """Means over the sensors."""
    rows = [
        Row(
            variant.name.replace("`", ""),
            findings.over_sensors(variant.run),
            COLORS[0 if variant.run == BARE else 1],
        )
        for variant in VARIANTS
    ]
    alone = ("RGB alone", findings.miou("rgb_only", RGB))
    return {"parts.png": dot_chart(f"{TITLE}, mean of the sensors", rows, alone)}
