# SPDX-License-Identifier: Apache-2.0
"""The third question: X missing, noisy, shifted and late, with and without modality dropout."""

from collections.abc import Sequence
from dataclasses import dataclass

from experiments.charts import degrade_chart
from experiments.figures import NOT_RUN, BySeed, Findings, difference
from experiments.tables import Line, compared, markdown
from experiments.wording import sentence, standing, verdict, word
from segrgbx_core.readings import RgbImage

TITLE = "When X fails"
WITH, WITHOUT = "general", "no_dropout"
MODELS = ((WITH, "with modality dropout"), (WITHOUT, "without"))
_LINES = ((WITH, "dropout"), (WITHOUT, "no dropout"))
_WORDS = {"drop": "missing", "noise": "noise {:g}", "shift": "shift {:g}", "delay": "late {:g}"}
_AXES = {
    "noise": ("X noisy", "standard deviation over X's usual range"),
    "shift": ("X shifted", "pixels of RGB"),
    "delay": ("X late", "frames"),
}


@dataclass(frozen=True)
class _Fault:
    """One column: a level of a kind, and its name."""

    kind: str
    level: float
    name: str


def text(findings: Findings) -> list[str]:
    """Scores at each level, as a mean and sensor by sensor, and whether dropout pays."""
    faults = _faults(findings)
    if not any(
        findings.level(run, "noise", s, 0.0) for run, _ in MODELS for s in findings.sensors
    ):
        return [f"{NOT_RUN.capitalize()}."]
    scenes, recipe = (findings.results.plan[key] for key in ("scenes", "recipe"))
    head = ["model", *(fault.name for fault in faults), "seeds"]
    means = [
        Line((name,), tuple(findings.level_over_sensors(run, f.kind, f.level) for f in faults))
        for run, name in MODELS
    ]
    return [
        "Mean over the sensors, in the same frames at every level. Noise is in units of X's usual "
        f"range, a shift in pixels of the {scenes['width']}x{scenes['height']} RGB image. Late is "
        f"by frames of videos of {scenes['video']['rate']:g} a second, beside the same frames in "
        "time. Bold is the better. The pictures' broken line is the model with dropout, given RGB "
        "alone. Both go on from a start that was trained with dropout, so the one without has "
        f"been without it for its own {recipe['optimiser']['steps']} steps alone.",
        markdown(head, compared(means)),
        "Sensor by sensor:",
        markdown(["X", *head], _rows(findings, faults), 2),
        "\n".join(_sentences(findings, faults)),
    ]


def pictures(findings: Findings) -> dict[str, RgbImage | None]:
    """A curve for each kind with more than two levels; the dashed line is the model with dropout
    given RGB alone on the same frames."""
    return {
        f"{kind}.png": degrade_chart(findings, kind, f"{title}, mean of the sensors", axis, _LINES)
        for kind, (title, axis) in _AXES.items()
    }


def _faults(findings: Findings) -> list[_Fault]:
    columns = [_Fault("noise", 0.0, "X as it is")]
    for kind, name in _WORDS.items():
        for level in map(float, findings.results.plan["degrade"][kind]):
            if level:
                columns.append(_Fault(kind, level, name.format(level)))
            elif kind == "delay":
                columns.append(_Fault(kind, level, "video, in time"))
    return columns


def _rows(findings: Findings, faults: Sequence[_Fault]) -> list[list[str]]:
    rows = []
    for sensor in findings.sensors:
        values: dict[str, tuple[BySeed, ...]] = {
            run: tuple(findings.level(run, f.kind, sensor, f.level) for f in faults)
            for run, _ in MODELS
        }
        rows += compared([Line((word(sensor), name), values[run]) for run, name in MODELS])
    return rows


def _sentences(findings: Findings, faults: Sequence[_Fault]) -> list[str]:
    said = []
    for fault in faults:
        kept, bare = (findings.level_over_sensors(r, fault.kind, fault.level) for r, _ in MODELS)
        parts = [("dropout", verdict(difference(kept, bare)))]
        if fault.level and fault.kind != "drop":
            left = difference(kept, findings.rgb_alone(WITH, fault.kind))
            parts.append(("such an X against none, with dropout", standing(left)))
        said += sentence(fault.name, *parts)
    return said
