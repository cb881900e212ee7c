# SPDX-License-Identifier: Apache-2.0
"""The third question: one model for all sensors, against specialists and RGB alone."""

from collections.abc import Sequence

from experiments.gather import RGB
from experiments.report.charts import Row, dot_chart
from experiments.report.figures import BySeed, Findings, difference, gain_cell, mean_over
from experiments.report.tables import Line, compared, markdown
from experiments.report.wording import reached, sentence, standing, verdict, word
from segrgbx_core.evaluation.summary import ALL
from segrgbx_core.pictures.sheet import COLORS
from segrgbx_core.readings import RgbImage

TITLE = "One model for five sensors"
GLASS, NIGHT = "glass", "night"
GENERAL, ALONE = "general", "rgb_only"
# The same steps in all, or the same samples of the sensor: a fifth of the steps.
SPECIALISTS = (("only", "specialist, equal steps"), ("few", "specialist, equal samples"))
AIMED_AT = "few"


def text(findings: Findings) -> list[str]:
    """Mean IoU by sensor, and the conclusions."""
    scenes = findings.results.plan["scenes"]
    names = [word(sensor) for sensor in findings.sensors]
    return [
        f"Is one model as good as one for each sensor? {scenes['test']['count']} synthetic "
        "streets in six conditions, the same for all sensors. A specialist learns from one "
        "sensor's streets: for as many steps as the general model, which sees a fifth of each "
        "sensor in them, or for a fifth of the steps, so that both see the same samples of the "
        "sensor.",
        markdown(["model", "mean", *names, "seeds"], _rows(findings)),
        "\n".join(_sentences(findings)),
    ]


def details(findings: Findings) -> list[str]:
    """By condition, and glass."""
    columns = [ALL, *findings.conditions]
    rows = []
    for sensor in findings.sensors:
        lines = [
            Line((word(sensor), name), _by_condition(findings, run, sensor, columns))
            for run, name in _models(sensor)
        ]
        rows += compared(lines)
    rows += compared(
        [
            Line(("none", name), _by_condition(findings, run, RGB, columns))
            for run, name in ((GENERAL, "general"), (ALONE, "RGB alone"))
        ]
    )
    alone = _by_condition(findings, ALONE, RGB, columns)
    gains = [
        [word(s), *(gain_cell(a, b) for a, b in zip(own, alone, strict=True))]
        for s in findings.sensors
        for own in (_by_condition(findings, GENERAL, s, columns),)
    ]
    return [
        "Mean IoU by light and weather, and the IoU of glass over all; bold is the best of a "
        "sensor:",
        markdown(["X", "model", *columns, GLASS, "seeds"], rows, 2),
        "What X adds, the general model minus the model of RGB alone:",
        markdown(["X", *columns, GLASS], gains),
    ]


def pictures(findings: Findings) -> dict[str, RgbImage | None]:
    """Charts over all conditions, and at night."""
    return {
        "sensors.png": _picture(findings, ALL, TITLE),
        "sensors_night.png": _picture(findings, NIGHT, f"{TITLE}, at night"),
    }


def _models(sensor: str) -> tuple[tuple[str, str], ...]:
    specialists = ((f"{kind}_{sensor}", name) for kind, name in SPECIALISTS)
    return ((GENERAL, "general"), *specialists)


def _rows(findings: Findings) -> list[list[str]]:
    """A row for each kind of model; those without X have the same score for all sensors."""
    lines = [("general", [findings.miou(GENERAL, s) for s in findings.sensors])]
    for kind, name in SPECIALISTS:
        lines.append((name, [findings.miou(f"{kind}_{s}", s) for s in findings.sensors]))
    with_x = [Line((name,), (mean_over(values), *values)) for name, values in lines]
    none: list[BySeed] = [{} for _ in findings.sensors]
    without = [
        Line((name,), (findings.miou(run, RGB), *none))
        for name, run in (("general, without X", GENERAL), ("RGB alone", ALONE))
    ]
    rows = compared([*with_x, *without])
    for row in rows[len(with_x) :]:
        row[2:-1] = ["" for _ in none]
    return rows


def _by_condition(
    findings: Findings, run: str, place: str, columns: Sequence[str]
) -> tuple[BySeed, ...]:
    scores = (findings.miou(run, place, column) for column in columns)
    return (*scores, findings.iou(run, place, GLASS))


def _special(findings: Findings, kind: str) -> BySeed:
    return mean_over([findings.miou(f"{kind}_{s}", s) for s in findings.sensors])


def _sentences(findings: Findings) -> list[str]:
    own, said = findings.over_sensors(GENERAL), list[str]()
    for kind, name in SPECIALISTS:
        lead = difference(own, _special(findings, kind))
        said += sentence(f"general against {name.replace(',', ' of')}", ("mean", standing(lead)))
        if kind == AIMED_AT:
            said += sentence("aim, general", ("at or above equal samples", reached(lead, 0.0)))
    for sensor in findings.sensors:
        gains = [
            verdict(
                difference(
                    findings.miou(GENERAL, sensor, condition), findings.miou(ALONE, RGB, condition)
                )
            )
            for condition in (ALL, NIGHT)
        ]
        said += sentence(
            f"{word(sensor)} beside RGB", ("over all", gains[0]), ("at night", gains[1])
        )
    without = difference(findings.miou(GENERAL, RGB), findings.miou(ALONE, RGB))
    return said + sentence("without X", ("general against RGB alone", standing(without)))


def _picture(findings: Findings, condition: str, title: str) -> RgbImage | None:
    rows = []
    for sensor in findings.sensors:
        for i, (run, name) in enumerate(_models(sensor)):
            values = findings.miou(run, sensor, condition)
            rows.append(Row(f"{word(sensor)}, {name}", values, COLORS[i], not i))
    values = findings.miou(GENERAL, RGB, condition)
    rows.append(Row("no X, general", values, COLORS[3], True))
    return dot_chart(title, rows, ("RGB alone", findings.miou(ALONE, RGB, condition)))
