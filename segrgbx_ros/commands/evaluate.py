# SPDX-License-Identifier: Apache-2.0
"""`segrgbx evaluate`: a model's scores over a labelled dataset folder."""

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING

from segrgbx_ros.commands import arguments

if TYPE_CHECKING:
    from rich.table import Table

    from segrgbx_core.evaluation.dataset import DatasetScores


def add_parser(subparsers: "arguments.Subparsers") -> None:
    """Adds the subcommand."""
    parser = arguments.new_parser(
        subparsers,
        "evaluate",
        "Score a model on a labelled dataset folder: IoU by class and by condition, at the "
        "labels' own size, single scale.",
        "segrgbx evaluate out/held_out --model demo",
    )
    parser.add_argument("dataset", type=Path, metavar="FOLDER", help="holds dataset.yaml")
    arguments.add_model(parser)
    parser.add_argument(
        "--without-x", action="store_true", help="give the model the RGB image alone"
    )
    parser.add_argument("--json", action="store_true", help="print JSON instead of tables")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Evaluates with a progress bar and prints the scores."""
    from segrgbx_core.datasets import FolderDataset
    from segrgbx_core.evaluation.dataset import evaluate
    from segrgbx_core.segmenter import Segmenter
    from segrgbx_ros.commands.terminal import output, progress

    data = FolderDataset(args.dataset)
    segmenter = Segmenter(args.model, args.device, args.precision)
    use_x = bool(segmenter.card.modalities) and not args.without_x
    with progress() as bar:
        task = bar.add_task("evaluating", total=len(data))
        scores = evaluate(segmenter, data, use_x, lambda: bar.advance(task))
    if args.json:
        print(json.dumps(_as_json(scores, args.model, use_x), indent=2))
        return 0
    with_what = data.modality if use_x else "nothing else"
    output().print(f"model {args.model}, RGB with {with_what}, {len(data)} samples", markup=False)
    output().print(_table(scores))
    return 0


def _as_json(scores: "DatasetScores", model: str, use_x: bool) -> dict[str, object]:
    def plain(name: str) -> dict[str, object]:
        chosen = scores.overall if name == "all" else scores.by_condition[name]
        return {
            "miou": chosen.miou,
            "per_class_iou": dict(chosen.per_class_iou),
            "pixel_accuracy": chosen.pixel_accuracy,
            "frames": chosen.frames,
        }

    names = ("all", *scores.by_condition)
    return {"model": model, "x_used": use_x, **{name: plain(name) for name in names}}


def _table(scores: "DatasetScores") -> "Table":
    from rich.table import Table

    table = Table("class", "all", *scores.by_condition)
    columns = (scores.overall, *scores.by_condition.values())

    def cell(value: float | None) -> str:
        return "absent" if value is None else f"{value:.3f}"

    for name in scores.overall.per_class_iou:
        table.add_row(name, *(cell(c.per_class_iou[name]) for c in columns))
    table.add_section()
    table.add_row("mIoU", *(cell(c.miou) for c in columns))
    table.add_row("pixel accuracy", *(cell(c.pixel_accuracy) for c in columns))
    table.add_row("samples", *(str(c.frames) for c in columns))
    return table
