# SPDX-License-Identifier: Apache-2.0
"""`python -m experiments.warp`: events and light-field views of real RGB-D frames.

No public set has labels beside real events or light-field views of rooms. Here each view is a real
image seen from a camera that has moved a little, computed from the depth of every pixel, so that
pixels and labels are real and X follows real geometry. What a moved camera would uncover is filled
with its surroundings; a few pixels at this motion. Written as a folder that `segrgbx train` reads.
"""

import argparse
import itertools
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
from rich.progress import track

from segrgbx_core.datasets import DatasetOptions, LabelledPairs, open_dataset
from segrgbx_core.datasets.samples import Labels, Sample
from segrgbx_core.datasets.writing import finish_folder, start_folder, write_pair
from segrgbx_core.encoding import DepthSettings
from segrgbx_core.encoding.depth.metres import depth_in_metres
from segrgbx_core.errors import InputError, SegRgbxError
from segrgbx_core.files.disk import claim_output
from segrgbx_core.readings import Events, LightFieldViews, Reading, RgbImage
from segrgbx_core.scenes.optics.camera import PinholeCamera
from segrgbx_core.scenes.sensors.events import (
    WINDOW_S,
    Photoreceptors,
    gathered,
    logarithm,
    make_pixels,
    noise_events,
)
from segrgbx_core.scenes.sensors.light_field import GRID, baseline

Metres = npt.NDArray[np.float32]
Vector = npt.NDArray[np.float64]

# The owners' images have a white border; the rest of the frame in 4:3, and its focal length.
_SIZE = (480, 640)
_ROWS, _COLUMNS, _FOCAL_PX = (47, 467), (41, 601), 518.9
_WIDTH, _HEIGHT = 320, 240
_STEP_S, _SETTLING_STEPS = 0.0025, 8
_SPEED_M_S, _TURN_RAD_S = 0.6, 0.5
_LIGHT = (0.02, 1.0)
_LUMINANCE = np.array([0.2126, 0.7152, 0.0722])
_ROUNDS = 3


@dataclass(frozen=True)
class Frame:
    """One frame at the written size. depth: metres."""

    rgb: RgbImage
    depth: Metres
    labels: Labels
    camera: PinholeCamera


def frame_of(sample: Sample, settings: DepthSettings) -> Frame:
    """The frame without its border, resized. Raises InputError where it is not 640x480, or its
    depth has holes."""
    if sample.rgb.shape[:2] != _SIZE:
        raise InputError(
            f"{sample.stem} has {sample.rgb.shape[1]}x{sample.rgb.shape[0]} pixels; expected "
            "640x480, the size of the authors' frames, whose border and focal length are known."
        )
    rows, columns = slice(*_ROWS), slice(*_COLUMNS)
    assert isinstance(sample.x, np.ndarray)
    depth = depth_in_metres(sample.x, settings)[rows, columns]
    if not np.isfinite(depth).all():
        raise InputError(
            f"{sample.stem} has depth with holes; expected the set's filled-in depth, because "
            "every pixel is seen from elsewhere by its depth."
        )
    # Steps of 39 mm would be seen as edges of their own.
    smooth = cv2.bilateralFilter(np.ascontiguousarray(depth), 7, 0.1, 3)
    size = (_WIDTH, _HEIGHT)
    rgb = cv2.resize(sample.rgb[rows, columns], size, interpolation=cv2.INTER_AREA)
    labels = cv2.resize(sample.labels[rows, columns], size, interpolation=cv2.INTER_NEAREST)
    focal = _FOCAL_PX * _WIDTH / (_COLUMNS[1] - _COLUMNS[0])
    camera = PinholeCamera(
        _WIDTH, _HEIGHT, focal, focal, (_WIDTH - 1) / 2, (_HEIGHT - 1) / 2, "camera"
    )
    depth = np.asarray(cv2.resize(smooth, size), np.float32)
    return Frame(
        np.asarray(rgb, np.uint8), np.maximum(depth, 0.3), np.asarray(labels, np.uint8), camera
    )


def seen_from(
    image: npt.NDArray[np.float32], frame: Frame, position: Vector, rotation: Vector
) -> npt.NDArray[np.float32]:
    """The frame's image (H, W) or (H, W, C) from a moved camera, of the same size.

    position: metres right, down and forward. rotation: vector of the turn, radians.
    """
    camera = frame.camera
    turn = np.asarray(cv2.Rodrigues(rotation)[0], np.float32)
    column, row = np.meshgrid(np.arange(camera.width), np.arange(camera.height))
    rays = np.stack(
        [(column - camera.cx) / camera.fx, (row - camera.cy) / camera.fy, np.ones(row.shape)], 2
    ).astype(np.float32)
    depth = frame.depth
    for _ in range(_ROUNDS):
        points = (rays * depth[..., None]) @ turn.T + position.astype(np.float32)
        ahead = np.maximum(points[..., 2], 0.1)
        at_x = points[..., 0] / ahead * camera.fx + camera.cx
        at_y = points[..., 1] / ahead * camera.fy + camera.cy
        depth = np.asarray(
            cv2.remap(frame.depth, at_x, at_y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE),
            np.float32,
        )
    moved = cv2.remap(image, at_x, at_y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(moved, np.float32)


def events_of(frame: Frame, rng: np.random.Generator) -> Events:
    """The events of the 50 ms before the frame, for a camera that moved and turned evenly."""
    light = np.exp(rng.uniform(*np.log(_LIGHT)))
    linear = ((frame.rgb / 255.0) ** 2.2) @ _LUMINANCE * light
    luminance = np.asarray(cv2.GaussianBlur(linear, (0, 0), 0.7), np.float32)
    speed, turning = (rng.normal(0, most, 3) * (1, 0.6, 1) for most in (_SPEED_M_S, _TURN_RAD_S))
    pixels = make_pixels(frame.camera.height, frame.camera.width, rng)

    def at(seconds: float) -> npt.NDArray[np.float32]:
        return logarithm(seen_from(luminance, frame, speed * seconds, turning * seconds))

    steps = round(WINDOW_S / _STEP_S)
    times = [_STEP_S * i for i in range(-steps - _SETTLING_STEPS, 1)]
    receptors = Photoreceptors(pixels, at(times[0]), rng)
    fired = [noise_events(pixels, luminance, 0.0, WINDOW_S, rng)]
    for i, (start, end) in enumerate(itertools.pairwise(times)):
        new = receptors.step(at(end), start + WINDOW_S, end + WINDOW_S)
        if i >= _SETTLING_STEPS:
            fired.append(new)
    return gathered(fired, frame.camera, 0.0, WINDOW_S)


def views_of(frame: Frame, rng: np.random.Generator) -> LightFieldViews:
    """A grid of views, as the synthetic scenes' light-field camera has them, with some noise."""
    step = baseline(frame.camera)
    rows, columns = np.indices((GRID, GRID)).reshape(2, -1)
    image, still = frame.rgb.astype(np.float32), np.zeros(3)
    views = []
    for row, column in zip(rows - GRID // 2, columns - GRID // 2, strict=True):
        view = seen_from(image, frame, np.array([column * step, row * step, 0.0]), still)
        noisy = view + rng.normal(0, rng.uniform(0.5, 2.5), view.shape)
        views.append(np.clip(noisy, 0, 255).round().astype(np.uint8))
    return LightFieldViews(np.stack(views), rows.astype(np.int64), columns.astype(np.int64))


MAKERS: dict[str, Callable[[Frame, np.random.Generator], Reading]] = {
    "event": events_of,
    "light_field": views_of,
}


def write_warped(data: LabelledPairs, out: Path, modality: str, count: int, seed: int) -> None:
    """Writes `count` evenly spaced frames of the split with the X of that sensor."""
    start_folder(out)
    assert isinstance(data.settings, DepthSettings)
    chosen = np.linspace(0, len(data) - 1, min(count, len(data))).round().astype(int)
    for index in track(chosen.tolist(), f"warping to {modality}"):
        stem = data.places[index].stem
        frame = frame_of(data[index], data.settings)
        x = MAKERS[modality](frame, np.random.default_rng([seed, index]))
        write_pair(out, stem, frame.rgb, x, frame.labels)
    grid = (GRID, GRID) if modality == "light_field" else None
    finish_folder(out, modality, data.label_set.name, {}, grid)


def main(argv: list[str] | None = None) -> int:
    """Exit status: 0 done, 2 a user mistake."""
    parser = argparse.ArgumentParser(description=__doc__, prog="python -m experiments.warp")
    parser.add_argument("root", type=Path, help="NYUDepthV2, as `segrgbx data` reads it")
    parser.add_argument("--out", type=Path, required=True, help="the folder to write")
    parser.add_argument("--modality", choices=MAKERS, required=True)
    parser.add_argument("--split", default="train")
    parser.add_argument("--count", type=int, default=400, help="frames (default: 400)")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--depth-scale", type=float, help="stored value per metre")
    parser.add_argument("--force", action="store_true", help="write into a folder with files")
    args = parser.parse_args(argv)
    try:
        if args.count < 1 or args.seed < 0:
            raise InputError(
                f"--count is {args.count} and --seed {args.seed}; expected a count of 1 or more "
                "and a seed of 0 or more."
            )
        options = DatasetOptions(depth_scale=args.depth_scale)
        data = open_dataset("nyu_depth_v2", args.root, args.split, options)
        claim_output(args.out, args.force)
        write_warped(data, args.out, args.modality, args.count, args.seed)
    except SegRgbxError as err:
        print(f"warp: {err}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
