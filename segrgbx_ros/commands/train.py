# SPDX-License-Identifier: Apache-2.0
"""`segrgbx train`: a recipe in, a model folder out."""

import argparse
from pathlib import Path

from segrgbx_ros.commands import arguments


def add_parser(subparsers: "arguments.Subparsers") -> None:
    """Adds the subcommand."""
    parser = arguments.new_parser(
        subparsers,
        "train",
        "Train a model as a recipe says; an interrupted training goes on with --resume.",
        "segrgbx train config/train/demo.yaml --out out/my_model",
    )
    parser.add_argument("recipe", type=Path, metavar="RECIPE.yaml", help="the training recipe")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="output folder")
    parser.add_argument("--resume", action="store_true", help="go on from the last checkpoint")
    arguments.add_force(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Trains and says where the model is."""
    from segrgbx_core.training import train
    from segrgbx_ros.commands.terminal import output

    folder = train(args.recipe, args.out, resume=args.resume, force=args.force)
    output().print(f"The model is in {folder}", markup=False, soft_wrap=True)
    return 0
