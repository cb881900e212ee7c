# SPDX-License-Identifier: Apache-2.0
"""Arguments that several subcommands share, and the types of their values."""

import argparse
import math
import re
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from segrgbx_core.errors import InputError
from segrgbx_core.modality import MODALITIES

if TYPE_CHECKING:
    from segrgbx_core.sensor import CameraFiles, SensorSettings

    Subparsers: TypeAlias = argparse._SubParsersAction[argparse.ArgumentParser]


def new_parser(
    subparsers: "Subparsers", name: str, what: str, example: str
) -> argparse.ArgumentParser:
    """Adds a subcommand whose help ends with the example."""
    return subparsers.add_parser(
        name,
        help=what,
        description=what,
        epilog=f"example:\n  {example}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )


def add_model(parser: argparse.ArgumentParser) -> None:
    """Adds --model, --device and --precision."""
    parser.add_argument(
        "--model", default="demo", help="a name under models/ or a model folder (default: demo)"
    )
    parser.add_argument(
        "--device", default="auto", help="auto, cpu, cuda or cuda:N (default: auto)"
    )
    parser.add_argument(
        "--precision", default="auto", help="auto, float32, bf16 or fp16 (default: auto)"
    )


def add_backend(parser: argparse.ArgumentParser) -> None:
    """Adds --backend."""
    parser.add_argument(
        "--backend",
        default="auto",
        help="what runs the network: auto, eager, compiled, onnxruntime or tensorrt; the last two "
        "after `segrgbx export` (default: auto, the fastest that agrees with eager)",
    )


def add_modality(parser: argparse.ArgumentParser, required: bool) -> None:
    """Adds --modality."""
    parser.add_argument(
        "--modality", choices=tuple(MODALITIES), required=required, help="what the X sensor is"
    )


def add_label_set(parser: argparse.ArgumentParser, default: str = "the union") -> None:
    """Adds --label-set."""
    parser.add_argument(
        "--label-set",
        metavar="NAME|FILE.yaml",
        help=f"for a model over a union of label sets: the one to answer in (default: {default})",
    )


def add_sensor(parser: argparse.ArgumentParser) -> None:
    """Adds --set and the options of the alignment to RGB, as a separate group of the help."""
    group = parser.add_argument_group(
        "the X sensor",
        "What its numbers mean, and how it comes onto the RGB image.\n"
        "`segrgbx info --settings MODALITY` lists what --set can be given: units, scale and\n"
        "range, a mosaic's layout, the rows and columns of a tiled light field. Examples:\n"
        "--set unit=centikelvin, --set layout=0,135,45,90, --set rows=3 --set columns=3.",
    )
    group.add_argument(
        "--set",
        action="append",
        default=[],
        dest="settings",
        metavar="NAME=VALUE",
        help="a setting of the sensor's encoding; may be given several times",
    )
    group.add_argument(
        "--align",
        choices=("none", "resize", "homography", "reproject"),
        help="onto RGB's grid: none and resize are for equal fields of view; reproject is for "
        "depth, with both calibrations (default: as the files below ask, else none)",
    )
    for option, what in (
        ("--homography", "matrix: 3x3, from X pixels to RGB pixels"),
        ("--extrinsic", "matrix: 4x4, or translation and rotation, from X to RGB in metres"),
        ("--rgb-camera", "RGB's calibration, as camera_calibration saves it"),
        ("--x-camera", "X's calibration"),
    ):
        group.add_argument(option, type=Path, metavar="FILE.yaml", help=what)


def sensor_from(args: argparse.Namespace) -> "SensorSettings":
    """The sensor settings from the options of `add_sensor`.

    Without --align, the homography's or the extrinsic's file selects the alignment. Raises
    InputError for contradictory options, and for a homography that cannot be read.
    """
    from segrgbx_core.geometry.calibration import read_homography
    from segrgbx_core.sensor import SensorSettings

    align = args.align
    if align is None:
        moved = "reproject" if args.extrinsic is not None else "none"
        align = "homography" if args.homography is not None else moved
    if align == "homography" and args.homography is None:
        raise InputError("--align homography needs its matrix: give --homography FILE.yaml.")
    if args.homography is None:
        return SensorSettings(tuple(args.settings), align)
    if align != "homography":
        raise InputError(f"--homography was given with --align {align}; leave one of them out.")
    matrix = read_homography(args.homography).matrix
    return SensorSettings(tuple(args.settings), align, tuple(float(v) for v in matrix.ravel()))


def cameras_from(args: argparse.Namespace) -> "CameraFiles":
    """The calibration files from the options of `add_sensor`."""
    from segrgbx_core.sensor import CameraFiles

    return CameraFiles(args.rgb_camera, args.x_camera, args.extrinsic).check()


def add_force(parser: argparse.ArgumentParser) -> None:
    """Adds --force."""
    parser.add_argument(
        "--force",
        action="store_true",
        help="write into a folder that holds files: replaces those of the same names",
    )


def number(text: str) -> float:
    """Parses a finite number."""
    value = float(text)
    if not math.isfinite(value):
        raise argparse.ArgumentTypeError(f"'{text}' is not a finite number")
    return value


def positive_count(text: str) -> int:
    """Parses a whole number of at least 1."""
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"'{text}' is not a whole number of 1 or more")
    return value


def image_size(text: str) -> tuple[int, int]:
    """Parses WIDTHxHEIGHT in pixels, as (width, height)."""
    match = re.fullmatch(r"(\d+)x(\d+)", text)
    if match is None:
        raise argparse.ArgumentTypeError(f"'{text}' is not a size like 640x480")
    return int(match.group(1)), int(match.group(2))


def word_list(text: str) -> tuple[str, ...]:
    """Parses words separated by commas."""
    return tuple(word.strip() for word in text.split(",") if word.strip())
