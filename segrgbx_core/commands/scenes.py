# SPDX-License-Identifier: Apache-2.0
"""`segrgbx scenes`: make synthetic street scenes as a dataset folder or a ROS 2 bag."""

import argparse
from collections.abc import Callable
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from segrgbx_core.commands import arguments

if TYPE_CHECKING:
    from segrgbx_core.scenes import Drive, DriveSettings

_SENSORS = """\
The same seed gives the same streets to every X sensor:
  event         /event/events, EventPacket of 5 ms, encoding mono; dataset: 50 ms as .npz
  thermal       mono16, kelvin x 100
  depth         16UC1, millimetres, 0 where the sensor gets no answer
  polarization  mono8 mosaic, polarizers at 90 45 / 135 0 degrees
  light_field   rgb8, 3x3 views side by side
event, thermal and each view of a light field have half the RGB image's size."""


class WriteBag(Protocol):
    """Writes a drive as a recording to the folder; calls on_capture after each capture."""

    def __call__(
        self, drive: "Drive", out: Path, storage: str, on_capture: Callable[[], None]
    ) -> None: ...


def add_parser(subparsers: "arguments.Subparsers", write_bag: WriteBag) -> None:
    """Adds the subcommand. write_bag: for --format bag."""
    parser = arguments.new_parser(
        subparsers,
        "scenes",
        "Make synthetic street scenes with exact labels: a ROS 2 bag, or a dataset folder.",
        "segrgbx scenes out/scenes --modality thermal --seconds 5 --rate 10 --size 640x480 "
        "--seed 7",
    )
    parser.description = f"{parser.description}\n\n{_SENSORS}"
    parser.add_argument("out", type=Path, metavar="OUT", help="folder of the bag or dataset")
    parser.add_argument(
        "--modality",
        default="thermal",
        help="what the X sensor is: event, thermal, depth, polarization or light_field (default: "
        "thermal)",
    )
    parser.add_argument("--seconds", type=arguments.number, default=5.0, help="default: 5")
    parser.add_argument(
        "--rate", type=arguments.number, default=10.0, help="RGB frames a second (default: 10)"
    )
    parser.add_argument(
        "--size",
        type=arguments.image_size,
        default=(640, 480),
        metavar="WIDTHxHEIGHT",
        help="of the RGB image (default: 640x480)",
    )
    parser.add_argument("--seed", type=int, default=7, help="same seed, same scenes (default: 7)")
    parser.add_argument("--format", choices=("bag", "dataset"), default="bag", help="default: bag")
    parser.add_argument(
        "--conditions",
        type=arguments.word_list,
        metavar="day,night",
        help="light and weather, one after the other: day, dusk, night, fog, glare (default: all "
        "of these) and wet",
    )
    parser.add_argument(
        "--storage", choices=("mcap", "sqlite3"), default="mcap", help="of the bag (default: mcap)"
    )
    parser.add_argument(
        "--streets",
        type=arguments.positive_count,
        metavar="N",
        help="instead of one drive, one frame each of N streets, seeds from --seed up, conditions "
        "in turn (with --format dataset)",
    )
    arguments.add_force(parser)
    parser.set_defaults(run=run, write_bag=write_bag)


def run(args: argparse.Namespace) -> int:
    """Makes the scenes and writes them, with a progress bar."""
    from segrgbx_core.commands.terminal import output, progress
    from segrgbx_core.errors import InputError, memory_errors
    from segrgbx_core.files.disk import claim_output, disk_errors
    from segrgbx_core.scenes import DriveSettings
    from segrgbx_core.stopping import StopRequest

    if args.streets is not None and args.format != "dataset":
        raise InputError(
            "--streets makes single frames, which cannot be stored in a bag; add --format dataset."
        )
    wanted = {} if args.conditions is None else {"conditions": args.conditions}
    width, height = args.size
    settings = DriveSettings(
        args.modality, args.seconds, args.rate, width, height, args.seed, **wanted
    )
    claim_output(args.out, args.force)
    rendering = f"in rendering scenes of {width}x{height} into {args.out};"
    short = memory_errors(rendering, "free some, or give a smaller --size")
    made = count(1)
    with progress() as bar, disk_errors(args.out), short, StopRequest() as stop:
        task = bar.add_task("making scenes", total=None)

        def on_frame(total: int) -> None:
            bar.update(task, advance=1, total=total)
            what = "captures" if args.format == "bag" else "pairs"
            stop.end_after(next(made), total, what, f"{args.out} holds those")

        what = _write(args, settings, on_frame)
    output().print(f"{what} in {args.out}", soft_wrap=True)
    return 0


def _write(
    args: argparse.Namespace, settings: "DriveSettings", on_frame: Callable[[int], None]
) -> str:
    """Writes the scenes and describes them in a phrase; on_frame gets the total at each step."""
    from segrgbx_core.datasets import render_stills, write_dataset
    from segrgbx_core.scenes import Drive

    if args.streets is not None:
        render_stills(args.out, settings, args.streets, lambda: on_frame(args.streets))
        return f"{args.streets} labelled pairs of as many streets"
    drive = Drive(settings)
    if args.format == "dataset":
        total = len(drive.rgb_times)
        write_dataset(drive, args.out, lambda: on_frame(total))
        return f"{total} labelled pairs"
    args.write_bag(drive, args.out, args.storage, lambda: on_frame(len(drive)))
    return f"{len(drive)} captures ({args.storage} bag)"
