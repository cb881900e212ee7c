# SPDX-License-Identifier: Apache-2.0
"""`segrgbx evaluate`: score a model on labelled data, under a declared protocol."""

import argparse
import json
import time
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from segrgbx_core.commands import arguments, data
from segrgbx_core.commands.runs import fail_under
from segrgbx_core.modality import NO_X

if TYPE_CHECKING:
    from rich.progress import TaskID

    from segrgbx_core.commands.runs.fail_under import FailUnder
    from segrgbx_core.datasets import DatasetOptions, LabelledPairs
    from segrgbx_core.evaluation.protocol import Protocol
    from segrgbx_core.evaluation.results import Evaluated
    from segrgbx_core.segmenter import Segmenter

_PAGE_BYTES = 1 << 21
_LESS_MEMORY = "images whole; give smaller --scales, --precision fp16 on a GPU, or --device cpu"
DegradeOption = tuple[str, tuple[float, ...] | None]


def add_parser(subparsers: "arguments.Subparsers") -> None:
    """Adds the subcommand."""
    parser = arguments.new_parser(
        subparsers,
        "evaluate",
        "Score a model on a labelled dataset: IoU by class and by condition, at the labels' own "
        "size, single scale unless asked otherwise.",
        "segrgbx evaluate out/held_out --model demo --out out/scores --degrade noise\n"
        "  segrgbx evaluate ~/data/mfnet --dataset mfnet --split test --model out/my_model/model",
    )
    parser.add_argument(
        "root", type=Path, metavar="ROOT", help="a dataset folder, or a dataset's top folder"
    )
    data.add_dataset(parser)
    parser.add_argument("--split", help="such as test; needed where the dataset has several")
    arguments.add_model(parser)
    arguments.add_backend(parser)
    arguments.add_label_set(parser, "the dataset's own, where it is a shipped part of the union")
    parser.add_argument(
        "--without-x", action="store_true", help="give the model the RGB image alone"
    )
    parser.add_argument(
        "--scales",
        type=_numbers,
        default=(1.0,),
        metavar="S,..",
        help="mean of passes at these sizes, such as 0.75,1,1.25 (default: 1)",
    )
    parser.add_argument("--flip", action="store_true", help="each pass over the mirrored pair too")
    parser.add_argument(
        "--degrade",
        type=_degrading,
        action="append",
        default=[],
        metavar="KIND[=L,..]",
        help="make X worse and draw the curve: drop (share of frames without X), noise (standard "
        "deviation over X's usual range), shift (pixels of RGB), delay (frames of a video); may "
        "be given several times, with levels such as shift=0,3,6",
    )
    parser.add_argument(
        "--seed", type=int, default=0, help="of what --degrade draws at random (default: 0)"
    )
    parser.add_argument(
        "--out", type=Path, metavar="DIR", help="write a report page, pictures and JSON there"
    )
    parser.add_argument(
        "--worst",
        type=_count,
        default=8,
        metavar="N",
        help="with --out: how many of the worst frames to draw (default: 8)",
    )
    arguments.add_force(parser)
    parser.add_argument("--json", action="store_true", help="print JSON instead of tables")
    fail_under.add_fail_under(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Evaluates with a progress bar, prints the scores, and writes the requested files.

    The scores are printed first, so that a disk that refuses the files takes none of them.
    """
    from segrgbx_core.commands.evaluate_table import as_json, print_scores
    from segrgbx_core.commands.terminal import output, say_doubts, say_limits
    from segrgbx_core.datasets import DatasetOptions
    from segrgbx_core.datasets.samples import files_of
    from segrgbx_core.datasets.watching import Watched
    from segrgbx_core.evaluation.protocol import Protocol
    from segrgbx_core.evaluation.results import WORST_FOLDER, result_files
    from segrgbx_core.files.disk import claim_output, need_no_inputs, need_no_links
    from segrgbx_core.report.page import REPORT_FILE
    from segrgbx_core.stopping import StoppedError

    asked = fail_under.asked(args)
    protocol = Protocol(args.scales, args.flip)
    _check(args)
    options = DatasetOptions(args.x, args.depth_scale, args.labels_from, args.allow_outside)
    pairs = opened_samples(args.root, args.dataset, args.split, options)
    segmenter = _segmenter(args, pairs)
    use_x = bool(segmenter.card.modalities) and not args.without_x and pairs.modality != NO_X
    _check_x(args, pairs, segmenter, use_x)
    if args.out is not None:
        need_no_links([args.out / WORST_FOLDER])
        written = [*result_files(args.out), args.out / REPORT_FILE]
        need_no_inputs(written, files_of(pairs))
        claim_output(args.out, args.force)
    watched = Watched(pairs)
    done = _evaluate(args, segmenter, pairs, watched, protocol, use_x)
    if args.json:
        print(json.dumps(as_json(done, args.model), indent=2), flush=True)
    else:
        print_scores(output(), done, args.model)
    say_doubts(watched.sentences())
    say_limits(segmenter.card)
    if args.out is not None:
        _write(args, done)
        if not args.json:
            output().print(f"look at {args.out / REPORT_FILE}", soft_wrap=True)
    if done.interrupted is not None:
        raise StoppedError(done.interrupted)
    return 0 if asked is None else _status(asked, done, args)


def _status(asked: "FailUnder", done: "Evaluated", args: argparse.Namespace) -> int:
    """Holds the scores against the thresholds; RGB alone is scored where X was degraded."""
    from segrgbx_core.evaluation.summary import ALL
    from segrgbx_core.runs.thresholds import Measured, checks

    whole = done.scores.overall.frames
    alone = [c.rgb_alone for c in done.curves if c.rgb_alone.overall.frames == whole]
    figures = Measured(
        scores={ALL: done.scores.overall, **done.scores.by_condition},
        alone={ALL: alone[0].overall, **alone[0].by_condition} if alone else None,
    )
    return asked.status({args.root.resolve().name: checks(asked.thresholds, figures)}, args.json)


def opened_samples(
    root: Path, name: str | None, split: str | None, options: "DatasetOptions"
) -> "LabelledPairs":
    """Opens the split of the named dataset, or a folder of the plain format without a name.

    Raises InputError if there are several splits and none was named.
    """
    from segrgbx_core.datasets import DatasetOptions, FolderDataset, open_dataset, splits_in
    from segrgbx_core.datasets.folder import MANIFEST
    from segrgbx_core.errors import InputError

    several = not (root / MANIFEST).is_file() and any(root.glob(f"*/{MANIFEST}"))
    plain = replace(options, allow_outside=False) == DatasetOptions()
    if name is None and split is None and plain and not several:
        return FolderDataset(root, outside=options.allow_outside)
    kind = name or "folder"
    splits = (split,) if split is not None else splits_in(kind, root)
    if len(splits) > 1:
        raise InputError(f"{root} has the splits {', '.join(splits)}; name one with --split.")
    return open_dataset(kind, root, splits[0], options)


def _check(args: argparse.Namespace) -> None:
    """Checks the arguments before anything is loaded."""
    from segrgbx_core.errors import InputError
    from segrgbx_core.evaluation.degrade import check_levels, kind_named

    kinds = [kind for kind, _ in args.degrade]
    for kind, levels in args.degrade:
        check_levels(kind, kind_named(kind).levels if levels is None else levels)
    if len(set(kinds)) != len(kinds):
        raise InputError(f"--degrade was given twice for {max(kinds, key=kinds.count)}.")
    if kinds and args.without_x:
        raise InputError("--degrade makes X worse and --without-x leaves it out; give one.")
    if args.seed < 0:
        raise InputError(f"--seed is {args.seed}; expected 0 or more.")


def _check_x(
    args: argparse.Namespace, pairs: "LabelledPairs", segmenter: "Segmenter", use_x: bool
) -> None:
    from segrgbx_core.errors import InputError

    if args.degrade and pairs.modality == NO_X:
        raise InputError(f"{pairs.folder} has no X to degrade; leave --degrade out.")
    if args.degrade and not use_x:
        raise InputError(
            f"Model '{segmenter.card.name}' reads RGB alone, so there is no X to degrade; leave "
            "--degrade out."
        )


def _segmenter(args: argparse.Namespace, pairs: "LabelledPairs") -> "Segmenter":
    """The segmenter; it answers in the dataset's classes if the model's union contains them."""
    from segrgbx_core.evaluation.dataset import check_classes, member_for
    from segrgbx_core.segmenter import Segmenter
    from segrgbx_core.weights.store import load_model

    loaded = load_model(args.model)
    label_set = args.label_set or member_for(loaded.card, pairs.label_set)
    segmenter = Segmenter(loaded, args.device, args.precision, None, label_set, args.backend)
    check_classes(segmenter, pairs)
    return segmenter


def _evaluate(
    args: argparse.Namespace,
    segmenter: "Segmenter",
    pairs: "LabelledPairs",
    watched: "LabelledPairs",
    protocol: "Protocol",
    use_x: bool,
) -> "Evaluated":
    """Computes the scores, then one curve for each --degrade, with progress bars."""
    from segrgbx_core.commands.terminal import progress
    from segrgbx_core.errors import memory_errors
    from segrgbx_core.evaluation.curves import Degrader
    from segrgbx_core.evaluation.dataset import evaluate
    from segrgbx_core.evaluation.degrade import kind_named
    from segrgbx_core.evaluation.results import Evaluated
    from segrgbx_core.stopping import StoppedError, StopRequest

    start, total, curves, stopped = time.perf_counter(), len(pairs), [], None
    less_memory = memory_errors("in evaluating", _LESS_MEMORY)
    with progress() as bar, less_memory, StopRequest() as stop:
        step = partial(bar.advance, bar.add_task("evaluating", total=total))
        asked = lambda: stop.asked is not None  # noqa: E731
        scores = evaluate(segmenter, watched, use_x, step, protocol, stopping=asked)
        try:
            scored = len(scores.frames)
            stop.end_after(scored, total, "samples", "the scores are of those")
            degrader = Degrader(segmenter, pairs, protocol, scores, args.seed)
            for number, (kind, levels) in enumerate(args.degrade):
                count = len(kind_named(kind).levels if levels is None else levels)
                task = bar.add_task(f"X by {kind}", total=total * (count + 1))

                def on_frame(task: "TaskID" = task, number: int = number) -> None:
                    bar.advance(task)
                    kept = "the scores are of all samples"
                    stop.end_after(number, len(args.degrade), "curves", kept)

                curves.append(degrader.curve(kind, levels, on_frame))
        except StoppedError as err:
            stopped = str(err)
    seconds = time.perf_counter() - start
    return Evaluated(
        segmenter=segmenter,
        pairs=pairs,
        protocol=protocol,
        use_x=use_x,
        scores=scores,
        curves=tuple(curves),
        seconds=seconds,
        interrupted=stopped,
    )


def _write(args: argparse.Namespace, done: "Evaluated") -> None:
    """Where the disk has no room for the pictures, scores and page are written without them."""
    from segrgbx_core.errors import OutputError
    from segrgbx_core.evaluation.results import (
        Pictures,
        summarise_evaluation,
        write_results,
        write_scores,
    )
    from segrgbx_core.evaluation.summary import ALL, protocol_words
    from segrgbx_core.files.disk import Reserve
    from segrgbx_core.files.resources import versions
    from segrgbx_core.report.evaluation import write_page

    summary = summarise_evaluation(done, args.split, args.worst, args.seed, versions())
    words = protocol_words(done.protocol, summary.scores[ALL])
    reserve = Reserve(args.out)
    reserve.take(_PAGE_BYTES)
    try:
        pictures = write_results(args.out, summary, done)
        reserve.free()
        write_page(args.out, summary, words, pictures)
    except OutputError:
        reserve.free()
        write_scores(args.out, summary, done)
        write_page(args.out, summary, words, Pictures(None, (), ()))
        raise


def _numbers(text: str) -> tuple[float, ...]:
    return tuple(arguments.number(word) for word in text.split(","))


def _degrading(text: str) -> DegradeOption:
    kind, _, levels = text.partition("=")
    return kind, _numbers(levels) if levels else None


def _count(text: str) -> int:
    value = int(text)
    if value < 0:
        raise argparse.ArgumentTypeError(f"'{text}' is not a whole number of 0 or more")
    return value
