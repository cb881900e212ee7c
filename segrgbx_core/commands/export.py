# SPDX-License-Identifier: Apache-2.0
"""`segrgbx export`: write the network as a graph that other programs run, and run faster."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from segrgbx_core.commands import arguments

if TYPE_CHECKING:
    from segrgbx_core.backends.exporting import Exported
    from segrgbx_core.weights.store import LoadedModel


def add_parser(subparsers: "arguments.Subparsers") -> None:
    """Adds the subcommand."""
    parser = arguments.new_parser(
        subparsers,
        "export",
        "Write a model's network as ONNX for images of one size. It is kept in a cache, from "
        "which --backend auto and onnxruntime take it; --out leaves files for other programs.",
        "segrgbx export demo --size 640x480",
    )
    parser.add_argument(
        "model",
        metavar="MODEL",
        help="a name under models/ or a model folder",
    )
    parser.add_argument(
        "--size",
        type=arguments.image_size,
        action="append",
        required=True,
        metavar="WIDTHxHEIGHT",
        help="of your images; may be given several times",
    )
    parser.add_argument(
        "--out",
        type=Path,
        metavar="DIR",
        help="a folder for .onnx, .pt2 (a torch.export program) and .json (what goes in and out)",
    )
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Exports each size and says what it gains on this machine."""
    from segrgbx_core.backends.exporting import export_model
    from segrgbx_core.commands.terminal import notices
    from segrgbx_core.weights.store import load_model

    loaded, console = load_model(args.model), notices()
    for width, height in args.size:
        with console.status(f"exporting for {width}x{height}, about half a minute"):
            exported = export_model(loaded, (height, width), args.out)
        for path in exported.files or (exported.cached,):
            print(path)
        console.print(_gain(loaded, exported))
    return 0


def _gain(loaded: "LoadedModel", exported: "Exported") -> str:
    import torch

    from segrgbx_core.backends.choice import compare
    from segrgbx_core.backends.graph import example
    from segrgbx_core.backends.runners import Eager, OnnxRuntime, has_onnxruntime

    if not has_onnxruntime():
        return "onnxruntime is not installed here, so the file was not run."
    cpu = torch.device("cpu")
    loaded.model.to(memory_format=torch.channels_last)
    runner = OnnxRuntime("onnxruntime", exported.cached, cpu)
    given = example(loaded.model, exported.size)
    return compare(Eager(loaded.model, "float32", cpu), runner, given).in_words()
