# SPDX-License-Identifier: Apache-2.0
"""`segrgbx segment`: segment image files; write masks, confidences and overlays."""

import argparse
import time
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from segrgbx_core.commands import arguments
from segrgbx_core.errors import InputError
from segrgbx_core.modality import NO_X
from segrgbx_core.readings import Reading, RgbImage
from segrgbx_core.wording import counted, spoken

if TYPE_CHECKING:
    from segrgbx_core.commands.pairs import FilePair
    from segrgbx_core.commands.segment_run import SegmentRun
    from segrgbx_core.doubts import DoubtLog
    from segrgbx_core.encoding.stream import Encoder
    from segrgbx_core.segmentation import Segmentation
    from segrgbx_core.segmenter import Segmenter

ROWS = 12


@dataclass(frozen=True)
class Done:
    """One file's row of the table. x_valid: share of X's valid pixels in 0..1."""

    stem: str
    width: int
    height: int
    shares: tuple[tuple[str, float], ...]
    confidence: float
    milliseconds: float
    x_valid: float | None


def add_parser(subparsers: "arguments.Subparsers") -> None:
    """Adds the subcommand."""
    parser = arguments.new_parser(
        subparsers,
        "segment",
        "Segment images: one pair, or folders of pairs with equal file stems.",
        "segrgbx segment --rgb street.png --x street_thermal.tiff --modality thermal --out out",
    )
    parser.add_argument("--rgb", type=Path, metavar="PATH", help="an RGB image, or a folder")
    parser.add_argument(
        "--x",
        type=Path,
        metavar="PATH",
        help="its X reading, or a folder of readings: PNG, TIFF, PGM, JPEG or .npy; events .npz; "
        "polarization also a folder with 0, 45, 90 and 135 .png; light field a folder with "
        "<row>_<column>.png, or a tiled image with --set rows=R --set columns=C",
    )
    parser.add_argument(
        "--rgbx", type=Path, metavar="PATH", help="a 4-channel PNG (RGB and X), or a folder"
    )
    arguments.add_modality(parser, required=False)
    arguments.add_model(parser)
    arguments.add_backend(parser)
    arguments.add_label_set(parser)
    arguments.add_sensor(parser)
    parser.add_argument(
        "--out",
        type=Path,
        required=True,
        metavar="DIR",
        help="output folder; folders of images also leave a page of them, report.html",
    )
    arguments.add_force(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Segments every pair; reports and skips a bad pair among several (status 1)."""
    from segrgbx_core.commands.pairs import find_pairs
    from segrgbx_core.commands.terminal import notices, output, progress, say_doubts, say_limits
    from segrgbx_core.doubts import DoubtLog
    from segrgbx_core.files.disk import claim_output, need_no_inputs
    from segrgbx_core.segmenter import Segmenter
    from segrgbx_core.stopping import StopRequest

    _need_modality_with_x(args)
    matched = find_pairs(args.rgb, args.x, args.rgbx, args.modality)
    for sentence in matched.remarks:
        notices().print(sentence)
    encoder = _encoder(args)
    segmenter = Segmenter(
        args.model,
        device=args.device,
        precision=args.precision,
        label_set=args.label_set,
        backend=args.backend,
    )
    if args.modality is not None:
        segmenter.card.check_modality(args.modality)
    need_no_inputs(*_written_and_read(matched.pairs, matched.several, args.out))
    claim_output(args.out, args.force)
    done: list[Done] = []
    settings = None if encoder is None else encoder.settings
    doubts, failed = DoubtLog(args.modality or NO_X, settings), 0
    left = _run_of(args, segmenter, len(matched.pairs)) if matched.several else None
    with progress() as bar, StopRequest() as stop, left or nullcontext():
        for pair in bar.track(matched.pairs, description="segmenting"):
            if stop.asked is not None and done:
                break
            try:
                done.append(
                    _segment_one(
                        segmenter, encoder, pair, args.modality, args.out, doubts, left=left
                    )
                )
            except InputError as err:
                if not matched.several:
                    say_doubts(doubts.sentences())
                    raise
                failed += 1
                if left is not None:
                    left.skip(pair.stem)
                notices().print(f"segrgbx: skipped {pair.stem}: {err}")
    if not done:
        raise InputError(f"None of the {failed} files could be segmented; see the lines above.")
    _print_table(done, failed, args.out)
    if left is not None:
        skipped = [f"{counted(failed, 'image')} could not be segmented."] if failed else []
        page = left.finish(skipped, [*matched.remarks, *doubts.sentences()])
        output().print(f"look at {page}", soft_wrap=True)
    say_doubts(doubts.sentences())
    say_limits(segmenter.card)
    seen, total = len(done) + failed, len(matched.pairs)
    stop.end_after(seen, total, "images", f"their files are in {args.out}")
    return 1 if failed else 0


def _need_modality_with_x(args: argparse.Namespace) -> None:
    has_x = args.x is not None or args.rgbx is not None
    if has_x and args.modality is None:
        raise InputError(
            "An X reading was given without --modality; add it, such as --modality thermal."
        )
    if args.modality is not None and not has_x:
        raise InputError(
            f"--modality {args.modality} was given without an X reading; add --x or --rgbx, or "
            "leave --modality out to segment RGB alone."
        )


def _encoder(args: argparse.Namespace) -> "Encoder | None":
    from segrgbx_core.sensor import make_encoder

    sensor = arguments.sensor_from(args)
    if args.modality is None:
        if sensor.settings or sensor.align != "none":
            raise InputError("--set and --align are for an X reading; give one with --x.")
        return None
    return make_encoder(args.modality, sensor, arguments.cameras_from(args))


def _segment_one(
    segmenter: "Segmenter",
    encoder: "Encoder | None",
    pair: "FilePair",
    modality: str | None,
    out: Path,
    doubts: "DoubtLog",
    left: "SegmentRun | None",
) -> Done:

    rgb, reading = _read(pair, modality)
    doubts.look(rgb, reading)
    start = time.perf_counter()
    planes = None
    if reading is not None and encoder is not None:
        encoder.reset()
        planes = encoder(reading, (rgb.shape[0], rgb.shape[1]))
    encoded = time.perf_counter()
    result = segmenter(rgb, planes, modality=modality)
    end = time.perf_counter()
    _write(result, rgb, out, pair.stem)
    if left is not None:
        stages = (encoded - start) * 1e3, (end - encoded) * 1e3
        left.add(pair.stem, rgb, planes, result, *stages)
    return Done(
        stem=pair.stem,
        width=rgb.shape[1],
        height=rgb.shape[0],
        shares=_shares(result),
        confidence=float(result.confidence.mean()),
        milliseconds=(end - start) * 1e3,
        x_valid=result.x_valid,
    )


def _read(pair: "FilePair", modality: str | None) -> tuple[RgbImage, Reading | None]:
    from segrgbx_core.encoding.table import read_x
    from segrgbx_core.files.images import read_rgb, read_rgbx

    if pair.both:
        return read_rgbx(pair.rgb)
    rgb = read_rgb(pair.rgb)
    return rgb, None if pair.x is None or modality is None else read_x(pair.x, modality)


def _write(result: "Segmentation", rgb: RgbImage, out: Path, stem: str) -> None:
    from segrgbx_core.files.images import write_png

    pictures = (result.labels, result.confidence_image(), result.overlay(rgb))
    for path, picture in zip(_places(out, stem), pictures, strict=True):
        write_png(path, picture)


def _places(out: Path, stem: str) -> list[Path]:
    return [out / f"{stem}_{kind}.png" for kind in ("mask", "confidence", "overlay")]


def _run_of(args: argparse.Namespace, segmenter: "Segmenter", images: int) -> "SegmentRun":
    from segrgbx_core.commands.segment_run import SegmentRun

    settings = {"x": None if args.x is None else str(args.x), "align": args.align}
    settings |= dict(each.split("=", 1) for each in args.settings)
    given = {name: value for name, value in settings.items() if value not in (None, "none")}
    source = str(args.rgb if args.rgbx is None else args.rgbx)
    return SegmentRun(args.out, segmenter, source, args.modality or NO_X, given, images)


def _written_and_read(
    pairs: "tuple[FilePair, ...]", several: bool, out: Path
) -> tuple[list[Path], list[Path]]:
    from segrgbx_core.commands.segment_run import run_files

    written = [path for pair in pairs for path in _places(out, pair.stem)]
    if several:
        written += run_files(out, [pair.stem for pair in pairs])
    return written, [path for pair in pairs for path in (pair.rgb, pair.x) if path is not None]


def _shares(result: "Segmentation") -> tuple[tuple[str, float], ...]:
    """The classes of the result and their shares of the image in 0..1, largest first."""
    counts = np.bincount(result.labels.ravel(), minlength=256)
    named = [(name, counts[i] / counts.sum()) for i, name in enumerate(result.label_set.names)]
    seen = [(name, float(share)) for name, share in named if share > 0]
    return tuple(sorted(seen, key=lambda item: -item[1]))


def _spoken(shares: tuple[tuple[str, float], ...]) -> str:
    """The names of classes of at least 1 %, and the number of others."""
    named = [f"{spoken(name)} {share:.0%}" for name, share in shares if share >= 0.01]
    traces = len(shares) - len(named)
    if traces:
        named.append(f"{traces} below 1%")
    return ", ".join(named) or "none"


def _percent(share: float | None) -> str:
    return "-" if share is None else f"{share:.0%}"


def _print_table(done: list[Done], failed: int, out: Path) -> None:
    from rich.table import Table

    from segrgbx_core.commands.terminal import output

    table = Table("file", "size", "classes seen", box=None, pad_edge=False)
    with_x = any(item.x_valid is not None for item in done)
    if with_x:
        table.add_column("X valid", justify="right")
    table.add_column("confidence", justify="right")
    table.add_column("ms", justify="right")
    for item in done[:ROWS]:
        table.add_row(
            item.stem,
            f"{item.width}x{item.height}",
            _spoken(item.shares),
            *([_percent(item.x_valid)] if with_x else []),
            f"{item.confidence:.2f}",
            f"{item.milliseconds:.0f}",
        )
    console = output()
    console.print(table)
    more = f" ({len(done) - ROWS} not listed)" if len(done) > ROWS else ""
    lost = f", {failed} skipped" if failed else ""
    console.print(
        f"{len(done)} segmented{more}{lost}; masks, confidences and overlays are in {out}",
        soft_wrap=True,
    )
