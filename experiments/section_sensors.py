# SPDX-License-Identifier: Apache-2.0
"""The first question: one model for all sensors, against specialists and RGB alone."""

from collections.abc import Sequence

from experiments.charts import Row, dot_chart
from experiments.figures import BySeed, Difference, Findings, difference, gain_cell
from experiments.gather import RGB
from experiments.tables import Line, compared, markdown
from experiments.wording import sentence, standing, verdict, word
from segrgbx_core.evaluation.summary import ALL
from segrgbx_core.pictures.sheet import COLORS
from segrgbx_core.readings import RgbImage

TITLE = "One model for five sensors"
GLASS, NIGHT = "glass", "night"

Place = tuple[str, str]
_ALONE: Place = ("rgb_only", RGB)


def text(findings: Findings) -> list[str]:
    """Scores, gains over RGB alone, and the conclusions."""
    columns = [ALL, *findings.conditions]
    scenes = findings.results.plan["scenes"]
    head = ["X", "model", *columns, GLASS, "seeds"]
    return [
        f"Each row is one model on the same {scenes['test']['count']} streets: mean IoU over all "
        "of them and by light and weather, and the IoU of glass over all. A specialist has the "
        "general model's parts, start and steps, and learns from one sensor's streets; RGB alone "
        "learns from the same streets as the general model. Bold is the better of a pair.",
        markdown(head, _rows(findings, columns), 2),
        "What X adds, the general model minus RGB alone:",
        markdown(["X", *columns, GLASS], _gains(findings, columns)),
        "\n".join(_sentences(findings)),
    ]


def pictures(findings: Findings) -> dict[str, RgbImage | None]:
    """Charts over all conditions, and at night."""
    return {
        "sensors.png": _picture(findings, ALL, TITLE),
        "sensors_night.png": _picture(findings, NIGHT, f"{TITLE}, at night"),
    }


def _rows(findings: Findings, columns: Sequence[str]) -> list[list[str]]:
    rows = []
    for sensor in findings.sensors:
        pair = (("general", "general"), (f"only_{sensor}", "its specialist"))
        rows += compared(
            [
                Line((word(sensor), name), _by_condition(findings, (run, sensor), columns))
                for run, name in pair
            ]
        )
    without = (("general", "general"), ("rgb_only", "RGB alone"))
    return rows + compared(
        [
            Line(("none", name), _by_condition(findings, (run, RGB), columns))
            for run, name in without
        ]
    )


def _gains(findings: Findings, columns: Sequence[str]) -> list[list[str]]:
    alone = _by_condition(findings, _ALONE, columns)
    rows = []
    for sensor in findings.sensors:
        own = _by_condition(findings, ("general", sensor), columns)
        rows.append([word(sensor), *(gain_cell(a, b) for a, b in zip(own, alone, strict=True))])
    return rows


def _by_condition(findings: Findings, place: Place, columns: Sequence[str]) -> tuple[BySeed, ...]:
    return (*(findings.miou(*place, column) for column in columns), findings.iou(*place, GLASS))


def _sentences(findings: Findings) -> list[str]:
    said = []
    for sensor in findings.sensors:
        own: Place = ("general", sensor)
        glass = difference(findings.iou(*own, GLASS), findings.iou(*_ALONE, GLASS))
        special = _against(findings, own, (f"only_{sensor}", sensor), ALL)
        said += sentence(
            word(sensor),
            ("beside RGB", verdict(_against(findings, own, _ALONE, ALL))),
            ("at night", verdict(_against(findings, own, _ALONE, NIGHT))),
            ("on glass", verdict(glass)),
            ("general against specialist", standing(special)),
        )
    without = _against(findings, ("general", RGB), _ALONE, ALL)
    return said + sentence(
        "without X", ("general against a model of RGB alone", standing(without))
    )


def _against(findings: Findings, new: Place, old: Place, condition: str) -> Difference | None:
    return difference(findings.miou(*new, condition), findings.miou(*old, condition))


def _picture(findings: Findings, condition: str, title: str) -> RgbImage | None:
    rows = []
    for sensor in findings.sensors:
        for run, name, color in (
            ("general", "general", COLORS[0]),
            (f"only_{sensor}", "specialist", COLORS[1]),
        ):
            values = findings.miou(run, sensor, condition)
            rows.append(Row(f"{word(sensor)}, {name}", values, color, run == "general"))
    values = findings.miou("general", RGB, condition)
    rows.append(Row("no X, general", values, COLORS[2], True))
    return dot_chart(title, rows, ("RGB alone", findings.miou(*_ALONE, condition)))
