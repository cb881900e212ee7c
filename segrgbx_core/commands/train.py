# SPDX-License-Identifier: Apache-2.0
"""`segrgbx train`: train a model as a recipe says."""

import argparse
import os
from pathlib import Path

from segrgbx_core.commands import arguments
from segrgbx_core.errors import InputError


def add_parser(subparsers: "arguments.Subparsers") -> None:
    """Adds the subcommand."""
    parser = arguments.new_parser(
        subparsers,
        "train",
        "Train a model as a recipe says; an interrupted training goes on with --resume. On "
        "several GPUs: torchrun --nproc-per-node N --no-python segrgbx train ...",
        "segrgbx train config/train/thermal.yaml --out out/my_model",
    )
    parser.add_argument("recipe", type=Path, metavar="RECIPE.yaml", help="the training recipe")
    parser.add_argument("--out", type=Path, metavar="DIR", help="output folder")
    parser.add_argument("--resume", action="store_true", help="go on from the last checkpoint")
    parser.add_argument(
        "--check",
        action="store_true",
        help="write nothing: learn one batch by heart, and say whether that works and how long "
        "the training would take",
    )
    parser.add_argument(
        "--device", default="auto", metavar="NAME", help="auto (default), cpu, cuda or cuda:N"
    )
    parser.add_argument(
        "--workers",
        type=int,
        default=0,
        metavar="N",
        help="processes that read samples ahead; 0 (default) reads between steps",
    )
    parser.add_argument(
        "--tensorboard", action="store_true", help="write TensorBoard's files to OUT/tensorboard"
    )
    arguments.add_force(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Trains and prints the model's folder, or only checks the recipe."""
    from segrgbx_core.commands.terminal import output
    from segrgbx_core.training import Machine, check_recipe, train

    if args.check:
        check = check_recipe(args.recipe, args.device)
        output().print(check.text, soft_wrap=True)
        return 0 if check.learnt else 1
    if args.out is None:
        raise InputError("The training has no output folder; give one with --out DIR.")
    if args.workers < 0:
        raise InputError(f"--workers is {args.workers}; expected 0 or more.")
    machine = Machine(args.device, args.workers, args.tensorboard)
    folder = train(args.recipe, args.out, args.resume, args.force, machine)
    if int(os.environ.get("RANK", "0")) > 0:
        return 0
    output().print(f"The model is in {folder}", soft_wrap=True)
    return 0
