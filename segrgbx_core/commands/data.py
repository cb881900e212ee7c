# SPDX-License-Identifier: Apache-2.0
"""`segrgbx data check`: check that a copy of a dataset is complete, and show its contents."""

import argparse
import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from segrgbx_core.commands import arguments

if TYPE_CHECKING:
    from segrgbx_core.datasets.check import Splits
    from segrgbx_core.datasets.findings import DatasetCheck

_EXAMPLE = "segrgbx data check ~/data/mfnet --dataset mfnet --out sheet.png"
_PICTURES = (".png", ".jpg")


def add_parser(subparsers: "arguments.Subparsers") -> None:
    """Adds the subcommand with its own subcommands."""
    what = "Look at labelled datasets on disk."
    parser = arguments.new_parser(subparsers, "data", what, _EXAMPLE)
    inner = parser.add_subparsers(dest="data_command", metavar="COMMAND", required=True)
    _add_check(inner)


def _add_check(subparsers: "arguments.Subparsers") -> None:
    parser = arguments.new_parser(
        subparsers,
        "check",
        "Read a whole copy of a dataset: samples of each split and condition, the classes' share, "
        "and what is missing or odd. Status 0: nothing is; 1: something is; 2: another layout.",
        _EXAMPLE,
    )
    parser.add_argument("root", type=Path, metavar="ROOT", help="the copy's top folder")
    add_dataset(parser)
    parser.set_defaults(dataset="folder")
    parser.add_argument("--split", help="such as train; default: all there are")
    parser.add_argument(
        "--most-bad",
        type=_share,
        default=0.1,
        metavar="SHARE",
        help="stop once more than this share of the samples cannot be used (default: 0.1)",
    )
    parser.add_argument(
        "--out", type=Path, metavar="PATH", help="a .png or .jpg for pictures of a few samples"
    )
    parser.add_argument(
        "--samples",
        type=arguments.positive_count,
        default=6,
        help="how many of them (default: 6)",
    )
    arguments.add_force(parser)
    parser.add_argument("--json", action="store_true", help="print JSON instead of tables")
    parser.set_defaults(run=run_check)


def add_dataset(parser: argparse.ArgumentParser) -> None:
    """Adds --dataset and the options that its files do not contain."""
    parser.add_argument(
        "--dataset",
        metavar="NAME",
        help="deliver, mfnet, nyu_depth_v2, zju_rgbp, camvid, urbanlf, urbanlf_real or "
        "urbanlf_synthetic (default: folder, one of your own: rgb/ x/ labels/ dataset.yaml)",
    )
    parser.add_argument(
        "--x",
        help="which X: event, hha or depth of DeLiVER, depth or hha of NYUDepthV2, 33, 8 or 80 "
        "views of UrbanLF (default: the first)",
    )
    parser.add_argument(
        "--depth-scale",
        type=arguments.number,
        metavar="N",
        help="what depth images store for one metre (default for NYUDepthV2: 1000)",
    )
    parser.add_argument(
        "--labels-from",
        type=int,
        metavar="0|1",
        help="the first class's number in NYUDepthV2's label images (default: 1, with 0 for "
        "unlabelled)",
    )
    add_allow_outside(parser)


def add_allow_outside(parser: argparse.ArgumentParser) -> None:
    """Adds --allow-outside."""
    parser.add_argument(
        "--allow-outside",
        action="store_true",
        help="dataset.yaml may name a label set outside the dataset's folder",
    )


def run_check(args: argparse.Namespace) -> int:
    """Checks the dataset with a progress bar, prints the findings, and draws the sheet."""
    from segrgbx_core.commands.data_table import print_check
    from segrgbx_core.commands.terminal import output, progress
    from segrgbx_core.datasets.check import check_dataset, splits_for_check
    from segrgbx_core.datasets.samples import files_of
    from segrgbx_core.datasets.table import DatasetOptions
    from segrgbx_core.files.disk import need_no_inputs

    _check_place(args.out, args.force)
    options = DatasetOptions(args.x, args.depth_scale, args.labels_from, args.allow_outside)
    splits = splits_for_check(args.dataset, args.root, args.split, options)
    if args.out is not None:
        need_no_inputs([args.out], (path for data in splits.values() for path in files_of(data)))
    with progress() as bar:
        task = bar.add_task("reading", total=sum(len(data) for data in splits.values()))
        check = check_dataset(
            args.dataset, args.root, splits, args.x, args.most_bad, lambda: bar.advance(task)
        )
        drawn = args.out is not None and _draw(splits, args.samples, args.out)
    if args.json:
        print(json.dumps(_as_json(check), indent=2, allow_nan=False))
    else:
        print_check(output(), check)
        if drawn:
            output().print(f"pictures in {args.out}", soft_wrap=True)
    return 0 if check.clean else 1


def _as_json(check: "DatasetCheck") -> dict[str, object]:
    return {**asdict(check), "clean": check.clean}


def _check_place(out: Path | None, force: bool) -> None:
    from segrgbx_core.errors import InputError, OutputError

    if out is None:
        return
    if out.suffix.lower() not in _PICTURES:
        raise InputError(f"{out} is not a picture's name; expected {' or '.join(_PICTURES)}.")
    if out.exists() and not force:
        raise OutputError(f"{out} already exists; choose another name, or add --force.")


def _draw(splits: "Splits", count: int, out: Path) -> bool:
    """Draws the contact sheet; returns False if no sample can be read."""
    import cv2

    from segrgbx_core.files.disk import disk_errors, write_whole
    from segrgbx_core.pictures.contact_sheet import contact_sheet

    sheet = contact_sheet(splits, count)
    if sheet is None:
        return False
    bgr = cv2.cvtColor(sheet, cv2.COLOR_RGB2BGR)
    data = cv2.imencode(out.suffix.lower(), bgr, [cv2.IMWRITE_JPEG_QUALITY, 88])[1].tobytes()
    with disk_errors(out):
        out.parent.mkdir(parents=True, exist_ok=True)
    write_whole(out, data)
    return True


def _share(text: str) -> float:
    """Parses a number from 0 to 1."""
    value = arguments.number(text)
    if not 0 <= value <= 1:
        raise argparse.ArgumentTypeError(f"'{text}' is not a share of 0 to 1")
    return value
