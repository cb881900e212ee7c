# SPDX-License-Identifier: Apache-2.0
"""`segrgbx inspect`: topics of a recording, what they can serve as, and problems."""

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING

from segrgbx_core.commands import arguments

if TYPE_CHECKING:
    from segrgbx_ros.inspection.inspect import Inspection
    from segrgbx_ros.replay.options import Stamps


def add_parser(subparsers: "arguments.Subparsers") -> None:
    """Adds the subcommand."""
    parser = arguments.new_parser(
        subparsers,
        "inspect",
        "Show what is in a recording: each topic's rate, stamps, encoding and what it can serve "
        "as, event counts, and what is wrong.",
        "segrgbx inspect drive_bag",
    )
    parser.add_argument("bag", type=Path, metavar="BAG", help="a bag's folder, or its one file")
    add_stamps(parser)
    parser.add_argument("--json", action="store_true", help="print JSON instead of tables")
    parser.set_defaults(run=run)


def add_stamps(parser: argparse._ActionsContainer) -> None:
    """Adds the option that says by which time messages are paired."""
    parser.add_argument(
        "--stamps",
        choices=("header", "log"),
        default="header",
        help="pair by the stamps in the headers, or by the log times where the headers have none "
        " (default: header)",
    )


def run(args: argparse.Namespace) -> int:
    """Reads the whole recording with a progress bar; status 1 if it is incomplete."""
    from segrgbx_core.commands.terminal import output
    from segrgbx_ros.commands.inspect_table import print_inspection

    inspection = _inspected(args.bag, args.stamps)
    if args.json:
        print(json.dumps(_as_json(inspection), indent=2, allow_nan=False))
    else:
        print_inspection(output(), inspection)
    return 0 if inspection.complete else 1


def _inspected(path: Path, stamps: "Stamps") -> "Inspection":
    from segrgbx_core.commands.terminal import progress
    from segrgbx_ros.bags.reader import BagReader
    from segrgbx_ros.inspection.inspect import inspect

    with BagReader(path) as bag, progress() as bar:
        task = bar.add_task("reading", total=sum(topic.count for topic in bag.topics))
        return inspect(bag, lambda: bar.advance(task), stamps)


def _as_json(inspection: "Inspection") -> dict[str, object]:
    from dataclasses import asdict

    return asdict(inspection)
