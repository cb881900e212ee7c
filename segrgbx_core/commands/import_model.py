# SPDX-License-Identifier: Apache-2.0
"""`segrgbx import`: make a model folder of a checkpoint that another project trained."""

import argparse
from pathlib import Path

from segrgbx_core.commands import arguments
from segrgbx_core.modality import MODALITIES


def add_parser(subparsers: "arguments.Subparsers") -> None:
    """Adds the subcommand."""
    parser = arguments.new_parser(
        subparsers,
        "import",
        "Make a model of a CMX checkpoint, to run it here: same logits. Checkpoints of encoders "
        "alone (SegFormer, PVT v2) start a training instead, with start_from in its recipe.",
        "segrgbx import NYUDV2_CMX+Segformer-B2.pth --label-set nyu_depth_v2 --modality depth "
        "--out out/cmx",
    )
    parser.add_argument("checkpoint", type=Path, metavar="CHECKPOINT", help="a .pth or the like")
    parser.add_argument(
        "--label-set",
        required=True,
        metavar="NAME|FILE.yaml",
        help="the classes that it was trained with, in order",
    )
    parser.add_argument(
        "--modality", required=True, choices=tuple(MODALITIES), help="what its X sensor is"
    )
    parser.add_argument(
        "--layout",
        choices=("cmx", "cmnext", "segformer", "pvt_v2"),
        help="refuse a file that names its tensors otherwise (default: as found)",
    )
    parser.add_argument("--name", help="of the model (default: the folder's)")
    parser.add_argument(
        "--license",
        default="that of the weights' authors",
        help="of the weights, for the card",
    )
    parser.add_argument(
        "--short-side",
        type=arguments.positive_count,
        metavar="PIXELS",
        help="the size at which the network sees images (default: their own)",
    )
    parser.add_argument("--out", type=Path, required=True, metavar="MODEL", help="a new folder")
    arguments.add_force(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Imports, says what became of the tensors, and saves the model in full precision."""
    import torch

    from segrgbx_core.commands.terminal import output
    from segrgbx_core.console import lines
    from segrgbx_core.files.disk import claim_output, need_no_inputs
    from segrgbx_core.labels.label_set import load_label_set
    from segrgbx_core.weights.card import CARD_FILE, WEIGHTS_FILE
    from segrgbx_core.weights.foreign import About, foreign_model
    from segrgbx_core.weights.store import save_model

    about = About(
        args.name or args.out.resolve().name,
        load_label_set(args.label_set),
        args.modality,
        args.license,
        args.short_side,
    )
    written = [args.out / WEIGHTS_FILE, args.out / CARD_FILE]
    need_no_inputs(written, [args.checkpoint, Path(args.label_set)])
    made = foreign_model(args.checkpoint, about, args.layout)
    claim_output(args.out, args.force)
    save_model(args.out, made.model, made.card, torch.float32)
    output().print(lines(*made.report.text().splitlines()), soft_wrap=True)
    output().print(f"The model is in {args.out}", soft_wrap=True)
    return 0
