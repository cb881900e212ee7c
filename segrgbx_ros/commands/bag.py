# SPDX-License-Identifier: Apache-2.0
"""`segrgbx bag`: write a labelled dataset as a recording, for `segrgbx replay` and the node."""

import argparse
import shlex
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING

from segrgbx_core.commands import arguments, data

if TYPE_CHECKING:
    from segrgbx_core.datasets import LabelledPairs, Sample
    from segrgbx_core.geometry.camera_model import CameraModel
    from segrgbx_core.labels.label_set import LabelSet
    from segrgbx_ros.bags.making.dataset import DatasetRecording, WrittenDataset

    Cameras = tuple["CameraModel | None", "CameraModel | None"]

_EXAMPLE = """\
segrgbx scenes out/streets --format dataset --streets 20
  segrgbx bag out/streets --dataset scenes out/streets.mcap
  segrgbx replay out/streets.mcap --modality thermal --set range_memory=0 --out out/replay"""
_TOPICS = """\
The recording holds /rgb/image_raw, X as its driver publishes it, the mask and class names on
/ground_truth/mask and /ground_truth/label_info, and the sample's condition, such as night, on
/ground_truth/condition, each with the RGB image's log time. The last line printed is the replay
that reads X as the dataset does."""


def add_parser(subparsers: "arguments.Subparsers") -> None:
    """Adds the subcommand."""
    parser = arguments.new_parser(
        subparsers,
        "bag",
        "Write a labelled dataset as a ROS 2 recording with ground truth and conditions.",
        _EXAMPLE,
    )
    parser.description = f"{parser.description}\n\n{_TOPICS}"
    parser.add_argument(
        "root", type=Path, metavar="ROOT", help="a dataset folder, or a dataset's top folder"
    )
    parser.add_argument(
        "out", type=Path, metavar="OUT", help="a file named .mcap or .db3, or a bag's folder"
    )
    data.add_dataset(parser)
    parser.add_argument("--split", help="such as test; needed where the dataset has several")
    parser.add_argument(
        "--limit", type=arguments.positive_count, metavar="N", help="only the first N samples"
    )
    parser.add_argument(
        "--storage",
        choices=("mcap", "sqlite3"),
        help="of the bag (default: as OUT is named, else mcap)",
    )
    _add_clock(parser)
    for option, what in (("--rgb-camera", "RGB's"), ("--x-camera", "X's")):
        parser.add_argument(
            option,
            type=Path,
            metavar="FILE.yaml",
            help=f"{what} calibration for camera_info, as camera_calibration saves it (default: "
            "that of scenes and NYUDepthV2, none of others)",
        )
    arguments.add_force(parser)
    parser.set_defaults(run=run)


def _add_clock(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("the clock", "Stamps are made up: one sample each period.")
    for option, default, metavar, what in (
        ("--rate", 10.0, "HZ", "samples a second (default: 10)"),
        ("--jitter", 0.0, "S", "standard deviation of each stamp, in seconds (default: 0)"),
        ("--x-offset", 0.0, "S", "added to every X stamp, in seconds (default: 0)"),
        ("--drop", 0.0, "SHARE", "share of the samples without X, 0 to below 1 (default: 0)"),
    ):
        group.add_argument(
            option, type=arguments.number, default=default, metavar=metavar, help=what
        )
    group.add_argument("--seed", type=int, default=0, help="of --jitter and --drop (default: 0)")


def run(args: argparse.Namespace) -> int:
    """Writes the recording with a progress bar, and prints the replay that reads it."""
    from segrgbx_core.commands.evaluate import opened_samples
    from segrgbx_core.commands.terminal import output
    from segrgbx_core.datasets import DatasetOptions
    from segrgbx_core.datasets.samples import files_of
    from segrgbx_ros.bags.making.dataset import DatasetRecording, check_publishable
    from segrgbx_ros.bags.making.place import claim_bag, storage_of
    from segrgbx_ros.bags.making.timing import TimingSettings

    storage = storage_of(args.out, args.storage)
    timing = TimingSettings(args.rate, args.jitter, args.x_offset, args.drop, args.seed)
    options = DatasetOptions(args.x, args.depth_scale, args.labels_from, args.allow_outside)
    pairs = opened_samples(args.root, args.dataset, args.split, options)
    first = pairs[0]
    check_publishable(pairs, first)
    plan = DatasetRecording(timing, _cameras(args, first), args.limit)
    claim_bag(args.out, args.force, files_of(pairs))
    done = _write(args.out, pairs, plan, storage)
    count = plan.count_of(pairs)
    output().print(f"{count} samples ({storage} bag) in {args.out}", soft_wrap=True)
    hint = model_hint(pairs.label_set)
    if hint is not None:
        output().print(hint, soft_wrap=True)
    output().print(f"replay it: {replay_call(args.out, pairs, done)}", soft_wrap=True)
    return 0


def _write(
    out: Path, pairs: "LabelledPairs", plan: "DatasetRecording", storage: str
) -> "WrittenDataset":
    from segrgbx_core.commands.terminal import progress
    from segrgbx_core.stopping import StopRequest
    from segrgbx_ros.bags.making.dataset import write_dataset_bag
    from segrgbx_ros.bags.making.place import placed

    made, total = count(1), plan.count_of(pairs)
    with progress() as bar, StopRequest() as stop, placed(out) as place:
        task = bar.add_task("writing", total=total)

        def on_sample() -> None:
            bar.advance(task)
            stop.end_after(next(made), total, "samples", f"{out} holds those")

        return write_dataset_bag(pairs, place, plan, storage, on_sample)


def _cameras(args: argparse.Namespace, first: "Sample") -> "Cameras":
    """The calibrations given, else the dataset's. Raises InputError for one of another size."""
    from segrgbx_core.datasets.file_dataset import x_size
    from segrgbx_core.datasets.table import dataset_named
    from segrgbx_core.errors import InputError
    from segrgbx_core.geometry.calibration import read_camera

    known = dataset_named(args.dataset or "folder").camera
    made = []
    for file, (height, width) in (
        (args.rgb_camera, first.rgb.shape[:2]),
        (args.x_camera, x_size(first.x)),
    ):
        camera = known(width, height) if file is None else read_camera(file)
        if camera is not None and (camera.width, camera.height) != (width, height):
            raise InputError(
                f"{file} is the calibration of images of {camera.width}x{camera.height}, but the "
                f"dataset's are {width}x{height}; give that of these images."
            )
        made.append(camera)
    return made[0], made[1]


def model_hint(label_set: "LabelSet") -> str | None:
    """Which model the recording needs; None where the default model has its classes."""
    from segrgbx_core.errors import LabelError
    from segrgbx_core.labels.union import load_membership
    from segrgbx_core.scenes.drive import SCENES_SET

    if label_set.name == SCENES_SET:
        return None
    words = (
        f"its classes are those of label set '{label_set.name}': name a model of them (--model)"
    )
    try:
        load_membership(label_set.name)
    except LabelError:
        return words
    return f"{words}, one over a union with --label-set {label_set.name}"


def replay_call(out: Path, pairs: "LabelledPairs", done: "WrittenDataset") -> str:
    """The command that replays the recording, quoted for a shell."""
    words = ["segrgbx", "replay", str(out), "--modality", pairs.modality]
    for setting in done.settings:
        words += ["--set", setting]
    if done.window_ms is not None:
        words += ["--window-ms", f"{done.window_ms:g}"]
    words += ["--out", str(out.with_name(f"{out.stem}_replay"))]
    return shlex.join(words)
