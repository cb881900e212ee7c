# SPDX-License-Identifier: Apache-2.0
"""`segrgbx summary`: the figures of a replay once more."""

import argparse
from pathlib import Path

from segrgbx_ros.commands import arguments


def add_parser(subparsers: "arguments.Subparsers") -> None:
    """Adds the subcommand."""
    parser = arguments.new_parser(
        subparsers,
        "summary",
        "Print the figures of an earlier replay.",
        "segrgbx summary out/demo",
    )
    parser.add_argument("folder", type=Path, metavar="DIR", help="what `segrgbx replay` wrote")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Prints the table from DIR/summary.json; status 1 where the recording was incomplete."""
    from segrgbx_ros.commands.replay_table import print_summary
    from segrgbx_ros.commands.terminal import output
    from segrgbx_ros.summary_file import read_summary

    summary = read_summary(args.folder)
    print_summary(output(), summary, args.folder)
    return 0 if summary.complete else 1
