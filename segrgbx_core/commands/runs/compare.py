# SPDX-License-Identifier: Apache-2.0
"""`segrgbx compare`: set runs side by side, and say what of it is more than noise."""

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from segrgbx_core.commands import arguments
from segrgbx_core.commands.runs import fail_under

if TYPE_CHECKING:
    from segrgbx_core.commands.runs.fail_under import FailUnder
    from segrgbx_core.runs.comparison.bootstrap import Resampling
    from segrgbx_core.runs.comparison.content import RunComparison
    from segrgbx_core.runs.folder import Run


def add_parser(subparsers: "arguments.Subparsers") -> None:
    """Adds the subcommand."""
    parser = arguments.new_parser(
        subparsers,
        "compare",
        "Compare runs on the frames that all of them have: IoU by class and condition, with an "
        "interval for each difference to the first, and the frames that got worse. One run alone: "
        "RGB + X against RGB alone.",
        "segrgbx compare out/before out/after --out out/compared",
    )
    parser.add_argument(
        "runs",
        type=Path,
        nargs="+",
        metavar="RUN",
        help="what `segrgbx replay` or `segrgbx segment` wrote; the first is what others are held "
        "against",
    )
    parser.add_argument(
        "--out", type=Path, metavar="DIR", help="write compare.html and compare.json there"
    )
    arguments.add_force(parser)
    parser.add_argument("--json", action="store_true", help="print JSON instead of tables")
    parser.add_argument(
        "--worst",
        type=arguments.positive_count,
        default=10,
        metavar="N",
        help="how many of the frames that got worse to name (default: 10)",
    )
    fail_under.add_fail_under(parser)
    group = parser.add_argument_group(
        "intervals",
        "Blocks of consecutive frames are drawn anew (paired bootstrap), as neighbouring frames\n"
        "show the same street.",
    )
    group.add_argument(
        "--resamples", type=int, default=2000, metavar="N", help="drives drawn (default: 2000)"
    )
    group.add_argument(
        "--block",
        type=arguments.positive_count,
        metavar="N",
        help="frames in a block (default: as long as differences stay correlated, 1 s or more)",
    )
    group.add_argument("--seed", type=int, default=0, help="of the draws (default: 0)")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Compares, prints tables and writes the requested files; 1 where a threshold is missed."""
    from segrgbx_core.commands.runs.compare_table import print_comparison
    from segrgbx_core.commands.terminal import notices, output
    from segrgbx_core.files.disk import claim_output, write_whole
    from segrgbx_core.report.compare import write_comparison
    from segrgbx_core.runs.comparison.bootstrap import Resampling
    from segrgbx_core.runs.comparison.content import COMPARISON_FILE
    from segrgbx_core.runs.folder import read_run

    asked = fail_under.asked(args, compares=True)
    how = Resampling(args.resamples, seed=args.seed, block=args.block)
    runs = [read_run(folder) for folder in args.runs]
    if args.out is not None:
        _need_other_folder(args.out, args.runs)
        claim_output(args.out, args.force)
    comparison = _compared(runs, how, args.worst)
    if args.json:
        print(comparison.to_json(), end="", flush=True)
    else:
        print_comparison(output(), comparison)
    for sentence in comparison.notes:
        notices().print(f"segrgbx: {sentence}")
    if args.out is not None:
        write_whole(args.out / COMPARISON_FILE, comparison.to_json().encode())
        page = write_comparison(args.out, comparison, runs)
        if not args.json:
            output().print(f"look at {page}", soft_wrap=True)
    return 0 if asked is None else _status(asked, runs, comparison, args.json)


def _need_other_folder(out: Path, folders: Sequence[Path]) -> None:
    from segrgbx_core.errors import OutputError

    inside = next((f for f in folders if out.resolve() == f.resolve()), None)
    if inside is not None:
        raise OutputError(f"--out {out} is one of the runs; name another folder.")


def _compared(runs: "Sequence[Run]", how: "Resampling", worst: int) -> "RunComparison":
    from segrgbx_core.commands.terminal import progress
    from segrgbx_core.runs.comparison.compare import compare_runs

    with progress() as bar:
        task = bar.add_task("comparing", total=None)
        return compare_runs(runs, how, worst, lambda: bar.advance(task))


def _status(
    asked: "FailUnder", runs: "Sequence[Run]", comparison: "RunComparison", quiet: bool
) -> int:
    """Holds each run but the first against the thresholds, and against the first."""
    from segrgbx_core.runs.comparison.losses import loss_checks
    from segrgbx_core.runs.thresholds import checks, figures_of

    later = runs[1:] or runs
    suites = {}
    for number, (run, about) in enumerate(zip(later, comparison.runs[1:], strict=True), start=1):
        found = checks(asked.thresholds, figures_of(run))
        if asked.thresholds.loss is not None:
            found += loss_checks(asked.thresholds.loss, comparison, number)
        suites[about.name] = found
    return asked.status(suites, quiet)
