# SPDX-License-Identifier: Apache-2.0
"""Show an evaluation as tables on a terminal, or as JSON."""

from collections.abc import Mapping
from dataclasses import asdict

from rich.console import Console
from rich.table import Table

from segrgbx_core.evaluation.dataset import DatasetScores
from segrgbx_core.evaluation.results import Evaluated
from segrgbx_core.evaluation.summary import (
    ALL,
    CurveFacts,
    curve_facts,
    grouped,
    protocol_words,
)


def as_json(done: Evaluated, model: str) -> dict[str, object]:
    """Keys: model, x_used, protocol, curves if X was degraded, all, and each condition."""
    content: dict[str, object] = {
        "model": model,
        "x_used": done.use_x,
        "protocol": {
            "words": done.protocol.in_words(),
            "scales": done.protocol.scales,
            "flip": done.protocol.flip,
        },
    }
    if done.interrupted is not None:
        content["interrupted"] = done.interrupted
    if done.curves:
        content["curves"] = [asdict(curve_facts(curve)) for curve in done.curves]
    return content | {name: asdict(group) for name, group in grouped(done.scores).items()}


def print_scores(console: Console, done: Evaluated, model: str) -> None:
    """Prints what was scored, the scores, a table for each curve, and the protocol."""
    with_what = done.pairs.modality if done.use_x else "nothing else"
    words = f"model {model}, RGB with {with_what}, {done.scores.overall.frames} samples"
    console.print(words)
    console.print(score_table(done.scores))
    for curve in done.curves:
        alone = curve.rgb_alone.by_condition
        floors = {name: scores.miou for name, scores in alone.items()}
        print_curve(console, curve_facts(curve), floors)
    for sentence in protocol_words(done.protocol, grouped(done.scores)[ALL]):
        console.print(sentence, style="dim")


def score_table(scores: DatasetScores) -> Table:
    """IoU by class, with a column for each condition."""
    table = Table("class", "all", *scores.by_condition)
    columns = (scores.overall, *scores.by_condition.values())
    for name in scores.overall.per_class_iou:
        table.add_row(name, *(_cell(c.per_class_iou[name]) for c in columns))
    table.add_section()
    table.add_row("mIoU", *(_cell(c.miou) for c in columns))
    table.add_row("pixel accuracy", *(_cell(c.pixel_accuracy) for c in columns))
    table.add_row("samples", *(str(c.frames) for c in columns))
    return table


def print_curve(
    console: Console, curve: CurveFacts, rgb_alone: Mapping[str, float | None]
) -> None:
    """Prints what a level is, and mIoU by level; rgb_alone: its mIoU by condition, where known."""
    unit = "" if curve.unit is None else f", 1 is {curve.unit}"
    words = f"{curve.title}: {curve.axis}{unit}; mIoU of {curve.frames} frames"
    console.print(words, soft_wrap=True)
    console.print(curve_table(curve, rgb_alone))


def curve_table(curve: CurveFacts, rgb_alone: Mapping[str, float | None]) -> Table:
    """mIoU by level, with a column for each condition and a last row for RGB alone.

    rgb_alone: its mIoU by condition, where known.
    """
    table = Table(curve.kind, *curve.miou)
    for row, level in enumerate(curve.levels):
        table.add_row(f"{level:g}", *(_cell(values[row]) for values in curve.miou.values()))
    table.add_section()
    by_condition = (
        _cell(rgb_alone[name]) if name in rgb_alone else "" for name in list(curve.miou)[1:]
    )
    table.add_row("RGB alone", _cell(curve.rgb_alone_miou), *by_condition)
    return table


def _cell(value: float | None) -> str:
    return "absent" if value is None else f"{value:.3f}"
