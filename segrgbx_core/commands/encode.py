# SPDX-License-Identifier: Apache-2.0
"""`segrgbx encode`: draw the planes that the model receives for a sensor's file."""

import argparse
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from segrgbx_core.commands import arguments
from segrgbx_core.errors import InputError, OutputError

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from segrgbx_core.doubts import DoubtLog
    from segrgbx_core.encoding.stream import Encoder
    from segrgbx_core.readings import Planes, Reading

PICTURES = (".png", ".jpg")


@dataclass(frozen=True)
class Encoded:
    """One file's row of the table."""

    name: str
    reading: str
    planes: "Planes"
    milliseconds: float


def add_parser(subparsers: "arguments.Subparsers") -> None:
    """Adds the subcommand."""
    parser = arguments.new_parser(
        subparsers,
        "encode",
        "Show what an X reading becomes: the reading, its three planes, and which pixels are "
        "valid.",
        "segrgbx encode x/000000.png --modality polarization --set layout=0,45,135,90 "
        "--out planes.png",
    )
    parser.add_argument(
        "files",
        nargs="+",
        type=Path,
        metavar="FILE",
        help="PNG, TIFF, PGM, BMP, WebP or .npy; events .npz; a folder of <row>_<column>.png "
        "views, or of 0, 45, 90 and 135 degrees",
    )
    arguments.add_modality(parser, required=True)
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        dest="settings",
        metavar="NAME=VALUE",
        help="a setting of the encoding, as often as needed",
    )
    parser.add_argument(
        "--x-camera",
        type=Path,
        metavar="FILE.yaml",
        help="the sensor's camera_info, for --set representation=hha",
    )
    parser.add_argument(
        "--out",
        type=Path,
        required=True,
        metavar="PATH",
        help="a .png or .jpg for one file, else a folder",
    )
    arguments.add_force(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Encodes every file; reports and skips a bad file among several (status 1)."""
    from segrgbx_core.commands.terminal import notices, say_doubts
    from segrgbx_core.doubts import DoubtLog
    from segrgbx_core.encoding.settings_text import settings_from_text
    from segrgbx_core.encoding.table import plane_names
    from segrgbx_core.sensor import CameraFiles, SensorSettings, make_encoder
    from segrgbx_core.stopping import StopRequest

    sensor = SensorSettings(tuple(args.settings))
    encoder = make_encoder(args.modality, sensor, CameraFiles(x=args.x_camera).check())
    names = plane_names(args.modality, settings_from_text(args.modality, args.settings))
    places = _places(args.files, args.out, args.force)
    done: list[Encoded] = []
    failed, doubts = 0, DoubtLog(args.modality, encoder.settings)
    with StopRequest() as stop:
        for file, place in places.items():
            if stop.asked is not None and done:
                break
            try:
                done.append(_encode_one(encoder, file, args.modality, names, place, doubts))
            except InputError as err:
                if len(places) == 1:
                    say_doubts(doubts.sentences())
                    raise
                failed += 1
                notices().print(f"segrgbx: skipped {file}: {err}")
    if not done:
        raise InputError(f"None of the {len(places)} files could be encoded; see the lines above.")
    _print_table(done, names, args.out)
    say_doubts(doubts.sentences())
    stop.end_after(len(done) + failed, len(places), "files", f"their pictures are in {args.out}")
    return 1 if failed else 0


def _places(files: list[Path], out: Path, force: bool) -> dict[Path, Path]:
    """The output path of each file's picture."""
    from segrgbx_core.files.disk import claim_output, disk_errors, need_no_inputs

    if out.suffix.lower() in PICTURES:
        if len(files) > 1:
            raise InputError(
                f"{out} is one picture for {len(files)} files; give a folder as --out."
            )
        if out.exists() and not force:
            raise OutputError(f"{out} already exists; choose another name, or add --force.")
        need_no_inputs([out], files)
        with disk_errors(out):
            out.parent.mkdir(parents=True, exist_ok=True)
        return {files[0]: out}
    places = {file: out / f"{file.stem}.png" for file in files}
    if len(set(places.values())) < len(files):
        raise InputError("Two files have the same name up to the ending; encode them one by one.")
    need_no_inputs(places.values(), files)
    claim_output(out, force)
    return places


def _encode_one(
    encoder: "Encoder",
    file: Path,
    modality: str,
    names: tuple[str, str, str],
    place: Path,
    doubts: "DoubtLog",
) -> Encoded:
    from segrgbx_core.encoding.table import read_x
    from segrgbx_core.files.disk import write_whole
    from segrgbx_core.pictures.planes import plane_picture, reading_words

    reading = read_x(file, modality)
    doubts.look(x=reading)
    planes, milliseconds = _timed(encoder, reading)
    write_whole(place, _file_bytes(plane_picture(reading, planes, names), place.suffix.lower()))
    return Encoded(file.name, reading_words(reading), planes, milliseconds)


def _timed(encoder: "Encoder", reading: "Reading") -> tuple["Planes", float]:
    """The planes and the time of a second run in ms; the first run fills tables and caches."""
    for _ in range(2):
        encoder.reset()
        start = time.perf_counter()
        planes = encoder(reading, (1, 1))
    return planes, (time.perf_counter() - start) * 1e3


def _file_bytes(picture: "npt.NDArray[np.uint8]", suffix: str) -> bytes:
    import cv2

    bgr = cv2.cvtColor(picture, cv2.COLOR_RGB2BGR)
    return cv2.imencode(suffix, bgr, [cv2.IMWRITE_JPEG_QUALITY, 88])[1].tobytes()


def _print_table(done: list[Encoded], names: tuple[str, str, str], out: Path) -> None:
    from rich.table import Table

    from segrgbx_core.commands.terminal import output

    table = Table("file", "reading", box=None, pad_edge=False)
    for heading in ("valid", "plane 0", "plane 1", "plane 2", "ms"):
        table.add_column(heading, justify="right", no_wrap=True)
    for item in done:
        valid = f"{item.planes.valid.mean():.1%}"
        ms = f"{item.milliseconds:.1f}"
        table.add_row(item.name, item.reading, valid, *_medians(item.planes), ms)
    console = output()
    console.print(table)
    console.print(f"plane 0, 1, 2: medians of {'; '.join(names)}", soft_wrap=True)
    console.print(f"{len(done)} shown in {out}", soft_wrap=True)


def _medians(planes: "Planes") -> list[str]:
    import numpy as np

    if not planes.valid.any():
        return ["-"] * 3
    return [f"{np.median(plane[planes.valid]):.2f}" for plane in planes.data]
