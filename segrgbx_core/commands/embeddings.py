# SPDX-License-Identifier: Apache-2.0
"""`segrgbx embeddings`: draw MA-CLIP's scene embeddings, and measure how sensors separate."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from segrgbx_core.commands import arguments
from segrgbx_core.commands.data import add_allow_outside
from segrgbx_core.commands.evaluate import opened_samples
from segrgbx_core.modality import NO_X

if TYPE_CHECKING:
    from segrgbx_core.datasets import LabelledPairs
    from segrgbx_core.evaluation.embedding_results import EmbeddingSummary

_T = TypeVar("_T")


def add_parser(subparsers: "arguments.Subparsers") -> None:
    """Adds the subcommand."""
    parser = arguments.new_parser(
        subparsers,
        "embeddings",
        "Draw what a model's MA-CLIP makes of labelled datasets: t-SNE by sensor, with the "
        "silhouette score of the embeddings themselves.",
        "segrgbx embeddings out/thermal out/depth out/event --model demo --out out/embeddings",
    )
    parser.add_argument(
        "roots",
        type=Path,
        nargs="+",
        metavar="ROOT",
        help="dataset folders, usually one a sensor, or datasets' top folders",
    )
    parser.add_argument(
        "--dataset",
        action="append",
        default=[],
        metavar="NAME",
        help="as `segrgbx evaluate` takes it: once for all roots, or once for each in their order",
    )
    parser.add_argument(
        "--split", action="append", default=[], help="once for all roots, or once for each"
    )
    parser.add_argument(
        "--x",
        action="append",
        default=[],
        help="which X of a dataset that has several, so that one root may be given for each of "
        "them; once for all roots, or once for each",
    )
    parser.add_argument(
        "--depth-scale",
        type=arguments.number,
        action="append",
        default=[],
        metavar="N",
        help="what depth images store for one metre; once for all roots, or once for each",
    )
    add_allow_outside(parser)
    arguments.add_model(parser)
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="output folder")
    parser.add_argument(
        "--limit",
        type=arguments.positive_count,
        default=100,
        metavar="N",
        help="samples of each root, spread evenly (default: 100)",
    )
    parser.add_argument(
        "--perplexity",
        type=arguments.number,
        default=30.0,
        help="t-SNE's: about how many neighbours count (default: 30)",
    )
    arguments.add_force(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Embeds the samples with a progress bar, draws them, and prints the silhouette scores."""
    from segrgbx_core.commands.terminal import output, progress
    from segrgbx_core.datasets.samples import files_of
    from segrgbx_core.errors import InputError, memory_errors
    from segrgbx_core.evaluation.embedding_results import (
        CONDITION_FILE,
        JSON_FILE,
        PICTURE_FILE,
        check_bounds,
        summarise_embeddings,
        write_embeddings,
    )
    from segrgbx_core.evaluation.embeddings import SceneEmbedder, concatenated, evenly
    from segrgbx_core.files.disk import claim_output, need_no_inputs
    from segrgbx_core.weights.store import load_model

    datasets = _datasets(args)
    embed = SceneEmbedder(load_model(args.model), args.device)
    for data in datasets:
        if data.modality == NO_X:
            raise InputError(f"{data.folder} has no X to embed beside RGB; give datasets with X.")
        embed.card.check_modality(data.modality)
    chosen = [evenly(len(data), args.limit) for data in datasets]
    # Two for each sample: its RGB image and its X.
    check_bounds(2 * sum(map(len, chosen)), args.perplexity)
    written = [args.out / name for name in (JSON_FILE, PICTURE_FILE, CONDITION_FILE)]
    need_no_inputs(written, (path for data in datasets for path in files_of(data)))
    claim_output(args.out, args.force)
    less = "images whole; give --device cpu, or choose a model of a smaller short side"
    with progress() as bar, memory_errors("in embedding", less):
        task = bar.add_task("embedding", total=sum(map(len, chosen)))
        parts = [
            embed(data, indices, lambda: bar.advance(task))
            for data, indices in zip(datasets, chosen, strict=True)
        ]
    with progress() as bar:
        bar.add_task("t-SNE", total=None)
        folders = [str(data.folder) for data in datasets]
        summary = summarise_embeddings(
            concatenated(parts), embed.card.name, folders, args.perplexity
        )
    output().print(_table(summary))
    pictures = write_embeddings(args.out, summary)
    for picture in pictures:
        output().print(f"look at {picture}", soft_wrap=True)
    return 0


def _datasets(args: argparse.Namespace) -> "list[LabelledPairs]":
    from segrgbx_core.datasets import DatasetOptions

    names = _for_each(args.dataset, args.roots, "--dataset")
    splits = _for_each(args.split, args.roots, "--split")
    kinds = _for_each(args.x, args.roots, "--x")
    scales = _for_each(args.depth_scale, args.roots, "--depth-scale")
    return [
        opened_samples(
            root, name, split, DatasetOptions(x, scale, allow_outside=args.allow_outside)
        )
        for root, name, split, x, scale in zip(
            args.roots, names, splits, kinds, scales, strict=True
        )
    ]


def _for_each(given: list[_T], roots: list[Path], option: str) -> list[_T | None]:
    from segrgbx_core.errors import InputError

    if len(given) not in (0, 1, len(roots)):
        raise InputError(
            f"{option} was given {len(given)} times for {len(roots)} roots; give it once, or once "
            "for each."
        )
    return list(given) if len(given) == len(roots) else [next(iter(given), None)] * len(roots)


def _table(summary: "EmbeddingSummary") -> object:
    from rich.table import Table

    table = Table("sensor", "points", "silhouette")
    for name, value in summary.by_sensor.items():
        count = sum(point.sensor == name for point in summary.points)
        table.add_row(name, str(count), f"{value:.3f}")
    table.add_section()
    table.add_row("all", str(len(summary.points)), f"{summary.silhouette:.3f}")
    return table
