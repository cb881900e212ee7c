# SPDX-License-Identifier: Apache-2.0
"""`segrgbx bench`: what a frame costs on this machine."""

import argparse
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from segrgbx_core.commands import arguments
from segrgbx_core.errors import InputError
from segrgbx_core.wording import printable

if TYPE_CHECKING:
    import torch

    from segrgbx_core.bench.sections import Section

SECTIONS = ("network", "frame", "replay", "start")
_SIZES = ((320, 240), (640, 480), (1280, 720), (1920, 1080))
_START_WITH = (("demo", "thermal"), ("real", "thermal"))
_PACKAGES = ("segrgbx_ros", "torch", "numpy", "opencv-python-headless", "onnxruntime")


def add_parser(subparsers: "arguments.Subparsers") -> None:
    """Adds the subcommand."""
    parser = arguments.new_parser(
        subparsers,
        "bench",
        "Measure on this machine: the network beside plain CMX, a frame of several sizes and all "
        "around the network, a replay, and the start of a process. One core; on a busy machine "
        "trust the CPU times and the ratios.",
        "segrgbx bench frame --model demo",
    )
    parser.add_argument(
        "sections",
        nargs="*",
        metavar="SECTION",
        help=f"some of {', '.join(SECTIONS)} (default: all)",
    )
    parser.add_argument(
        "--model", default="demo", help="a name under models/ or a model folder (default: demo)"
    )
    parser.add_argument(
        "--presets",
        type=arguments.word_list,
        default=("b0", "b2"),
        metavar="b0,b2",
        help="of the section network (default: b0,b2)",
    )
    parser.add_argument(
        "--size",
        type=arguments.image_size,
        action="append",
        metavar="WIDTHxHEIGHT",
        help="of the section frame; may be given several times (default: 320x240 to 1920x1080)",
    )
    parser.add_argument(
        "--device", default="cpu", help="of the section network: cpu, cuda or cuda:N"
    )
    parser.add_argument(
        "--rounds",
        type=arguments.positive_count,
        default=9,
        metavar="N",
        help="how often all cases run, in turn (default: 9)",
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all figures there, too")
    parser.add_argument("--plot", type=Path, metavar="FILE.png", help="draw them there as bars")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Measures section by section and prints each as a table."""
    import cv2
    import torch

    from segrgbx_core.bench.measuring import WARM_UP, environment, show, timed, write
    from segrgbx_core.bench.picture import bars
    from segrgbx_core.commands.terminal import output, progress
    from segrgbx_core.files.images import write_png
    from segrgbx_core.model.placement import choose_device

    unknown = [name for name in args.sections if name not in SECTIONS]
    if unknown:
        raise InputError(
            f"Section '{unknown[0]}' is unknown; expected some of {', '.join(SECTIONS)}."
        )
    device = choose_device(args.device)
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    where, timings = environment(_PACKAGES), {}
    with TemporaryDirectory() as folder:
        for section in _sections(args, device, Path(folder)):
            with progress() as bar:
                task = bar.add_task(printable(section.title), total=args.rounds + WARM_UP)
                step = partial(bar.advance, task)
                timings[section.title] = timed(section.cases, args.rounds, step)
            show(section.title, timings[section.title], output())
    if device.type == "cuda":
        output().print(f"peak memory: {torch.cuda.max_memory_allocated(device) / 1e6:.0f} MB")
    if args.json is not None:
        write(args.json, where, timings)
        print(args.json)
    if args.plot is not None:
        write_png(args.plot, bars(timings))
        print(args.plot)
    return 0


def _sections(
    args: argparse.Namespace, device: "torch.device", folder: Path
) -> Iterator["Section"]:
    from segrgbx_core.bench import sections

    wanted = args.sections or SECTIONS
    if "network" in wanted:
        yield from sections.network(args.presets, device, folder)
    if "frame" in wanted:
        yield from sections.frame(args.model, args.size or _SIZES)
    if "replay" in wanted:
        yield _replay(args.model, folder)
    if "start" in wanted:
        yield sections.start(_START_WITH)


def _replay(model: str, folder: Path) -> "Section":
    """A replay of two seconds of a synthetic drive, beside its frames' labels alone."""
    from segrgbx_core.bench.measuring import Case
    from segrgbx_core.bench.sections import Section, street
    from segrgbx_core.scenes import Drive, DriveSettings
    from segrgbx_core.segmenter import Segmenter
    from segrgbx_ros.bags.scenes import write_drive_bag
    from segrgbx_ros.replay.options import ReplayOptions, TruthOptions
    from segrgbx_ros.replay.run import replay

    segmenter = Segmenter(model, device="cpu", backend="eager")
    segmenter.card.check_modality("thermal")
    write_drive_bag(
        Drive(DriveSettings("thermal", 2.0, 10.0, conditions=("day",))), folder / "bag"
    )
    options = ReplayOptions(
        folder / "bag",
        "thermal",
        folder / "out",
        force=True,
        truth=TruthOptions(rgb_alone=False),
    )
    frames = replay(options, segmenter=segmenter).frames.segmented
    rgb = street(480, 640)

    def labels_alone() -> None:
        for _ in range(frames):
            segmenter(rgb, rgb[..., 0], "thermal")

    return Section(
        f"replay of {frames} pairs of 640x480, model {segmenter.card.name}",
        (
            Case(f"{frames} frames, labels alone", labels_alone),
            Case("replay, with its files", lambda: replay(options, segmenter=segmenter)),
        ),
    )
