# SPDX-License-Identifier: Apache-2.0
"""The fifth question: X missing, noisy, shifted, late, before and after learning to doubt it."""

from collections.abc import Sequence
from dataclasses import dataclass

from experiments.gather import RGB
from experiments.report.charts import degrade_chart
from experiments.report.figures import NOT_RUN, BySeed, Findings, difference, gain_cell
from experiments.report.tables import Line, compared, markdown
from experiments.report.wording import sentence, standing, word
from segrgbx_core.readings import RgbImage

TITLE = "When X fails"
AFTER, BEFORE = "general", "trusting"
MODELS = ((AFTER, "X at times faulty in training"), (BEFORE, "X never faulty in training"))
REAL = (
    ("nyu_segrgbx", "depth", "NYUDepthV2, X never useless in training"),
    ("mfnet_segrgbx", "thermal", "MFNet, X at times useless in training"),
)
BOUND = -0.01
_LINES = ((AFTER, "faults learnt"), (BEFORE, "not learnt"))
# X missing in every frame is RGB alone, so it has no column.
_WORDS = {"noise": "noise {:g}", "shift": "shift {:g}", "delay": "late {:g}"}
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
    """What is left above the model's own answer without X, at each fault."""
    faults = _faults(findings)
    head = ["model", *(fault.name for fault in faults), "seeds"]
    streets = [findings.curve(run, "noise", s) for run, _ in MODELS for s in findings.sensors]
    if not any((*streets, *(findings.curve(run, "noise", s) for run, s, _ in REAL))):
        return [f"{NOT_RUN.capitalize()}."]
    rows = [
        [
            name,
            *(_left_over_sensors(findings, run, fault) for fault in faults),
            _seeds(findings, run),
        ]
        for run, name in MODELS
    ]
    real = [
        [name, *(_left(findings, run, sensor, f) for f in faults), _seeds(findings, run)]
        for run, sensor, name in REAL
    ]
    video = findings.results.plan["scenes"]["video"]["rate"]
    return [
        "Does a bad X ever leave the model worse than none? Mean IoU with X at each fault, "
        "minus that of the same model given RGB alone on the same frames; the aim is never "
        f"below {BOUND:g}. Noise is in units of X's usual range, a shift in pixels of RGB, late "
        f"in frames of videos of {video:g} a second. X faulty in training is `x_raw_noise`, "
        "`x_wrong` and `x_late` of [training](training.md). Streets, mean over the sensors:",
        markdown(head, rows),
        "On real data, where there are no videos:",
        markdown(head, real),
        "\n".join(_sentences(findings, faults)),
    ]


def details(findings: Findings) -> list[str]:
    """Scores sensor by sensor."""
    faults = _faults(findings)
    rows = []
    for sensor in findings.sensors:
        lines = [
            Line(
                (word(sensor), name),
                tuple(findings.level(run, f.kind, sensor, f.level) for f in faults),
            )
            for run, name in MODELS
        ]
        rows += compared(lines)
    head = ["X", "faulty X in training", *(fault.name for fault in faults), "seeds"]
    return ["Mean IoU sensor by sensor:", markdown(head, rows, 2)]


def pictures(findings: Findings) -> dict[str, RgbImage | None]:
    """A curve for each kind with more than two levels; the dashed line is the first model given
    RGB alone on the same frames."""
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


def _left_over_sensors(findings: Findings, run: str, fault: _Fault) -> str:
    with_x = findings.level_over_sensors(run, fault.kind, fault.level)
    return gain_cell(with_x, findings.rgb_alone(run, fault.kind))


def _left(findings: Findings, run: str, sensor: str, fault: _Fault) -> str:
    if fault.kind == "delay":
        return "-"
    with_x = findings.level(run, fault.kind, sensor, fault.level)
    return gain_cell(with_x, findings.alone(run, fault.kind, sensor))


def _seeds(findings: Findings, run: str) -> str:
    return str(sum(bool(m.curves) for m in findings.of(run)))


def _sentences(findings: Findings, faults: Sequence[_Fault]) -> list[str]:
    said = []
    for run, name in MODELS:
        below = _below(findings, run, findings.sensors, faults)
        said += sentence(name, ("", below))
    for run, sensor, name in REAL:
        said += sentence(name, ("", _below(findings, run, (sensor,), faults)))
    both = (findings.miou(run, RGB) for run, _ in MODELS)
    return said + sentence("RGB alone, with against without", ("", standing(difference(*both))))


def _below(
    findings: Findings, run: str, sensors: Sequence[str], faults: Sequence[_Fault]
) -> str | None:
    """The faults at which X leaves the model clearly worse than none."""
    worse, seeds = [], 0
    for sensor in sensors:
        for fault in faults:
            alone: BySeed = findings.alone(run, fault.kind, sensor)
            gap = difference(findings.level(run, fault.kind, sensor, fault.level), alone)
            if gap is None:
                continue
            seeds = max(seeds, gap.seeds)
            if gap.mean < BOUND:
                worse.append(f"{word(sensor)} {fault.name} ({gap.text})")
    if not seeds:
        return None
    text = f"below {BOUND:g} at {', '.join(worse)}" if worse else f"never below {BOUND:g}"
    return text if seeds > 1 else f"{text} (one seed)"
