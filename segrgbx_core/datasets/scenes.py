# SPDX-License-Identifier: Apache-2.0
"""Synthetic scenes written as a dataset folder: a drive's frames, or stills of many streets."""

import os
import signal
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import asdict, replace
from multiprocessing import get_context
from pathlib import Path

import numpy as np

from segrgbx_core.datasets.writing import finish_folder, start_folder, write_pair
from segrgbx_core.errors import InputError, SegRgbxError, memory_errors
from segrgbx_core.files.disk import write_whole
from segrgbx_core.files.yaml import yaml_text
from segrgbx_core.geometry.camera_model import CameraModel
from segrgbx_core.scenes.drive import (
    SCENES_SET,
    SCENES_VERSION,
    Drive,
    DriveSettings,
)
from segrgbx_core.scenes.optics.camera import PinholeCamera
from segrgbx_core.scenes.sensors.light_field import GRID
from segrgbx_core.scenes.sensors.table import FIELD_OF_VIEW_DEG, SENSORS
from segrgbx_core.stopping import SIGNALS, StoppedError

_SKEW_S = 0.012
_KIND = "stills.yaml"


def _finish(folder: Path, modality: str, conditions: dict[str, str], video: bool = False) -> None:
    grid = (GRID, GRID) if SENSORS[modality].views else None
    finish_folder(folder, modality, SCENES_SET, conditions, grid, video)


def scenes_camera(width: int, height: int) -> CameraModel:
    """The camera of scenes of that size in pixels; X sees the same field of view."""
    made = PinholeCamera.with_field_of_view(width, height, FIELD_OF_VIEW_DEG, "")
    return made.calibration


def write_dataset(drive: Drive, folder: Path, on_frame: Callable[[], None] | None = None) -> None:
    """Writes the drive's RGB frames, each with an X reading of the same instant.

    X is a PNG (16-bit thermal and depth, an 8-bit mosaic, a light field's tiled views), or for
    events a `.npz` of the preceding 50 ms.

    on_frame: called after each frame; StoppedError from it ends the dataset there. The manifest is
    written last, so that a folder with one is complete.
    """
    start_folder(folder)
    conditions: dict[str, str] = {}
    try:
        for i, seconds in enumerate(drive.rgb_times):
            stem = f"{i:06d}"
            rgb = drive.rgb_at(seconds)
            write_pair(folder, stem, rgb.image, drive.x_at(seconds).reading, rgb.labels)
            conditions[stem] = rgb.condition
            if on_frame is not None:
                on_frame()
    except StoppedError:
        _finish(folder, drive.settings.modality, conditions, video=True)
        raise
    _finish(folder, drive.settings.modality, conditions, video=True)


def still_stems(first_seed: int, count: int) -> tuple[str, ...]:
    """Names of `count` stills with seeds from first_seed up."""
    return tuple(f"{first_seed + i:08d}" for i in range(count))


def _light(settings: DriveSettings, seed: int) -> str:
    return settings.conditions[seed % len(settings.conditions)]


def _still(folder: Path, settings: DriveSettings) -> None:
    """One street at one moment under one condition; the sensors' skew is random."""
    rng = np.random.default_rng([settings.seed, 9])
    name = _light(settings, settings.seed)
    stem = still_stems(settings.seed, 1)[0]
    if not (folder / "rgb" / f"{stem}.png").is_file():
        drive = Drive(replace(settings, conditions=(name,), seconds=4.0))
        seconds = float(rng.uniform(0.1, 3.9))
        x = drive.x_at(seconds + float(rng.uniform(-_SKEW_S, _SKEW_S)))
        rgb = drive.rgb_at(seconds)
        write_pair(folder, stem, rgb.image, x.reading, rgb.labels)


def _keep_to_one_kind(folder: Path, settings: DriveSettings) -> None:
    """Stills are kept between calls, so a folder must not mix settings or scene versions."""
    kind = {k: v for k, v in asdict(settings).items() if k not in ("seed", "seconds", "rate_hz")}
    kind |= {"conditions": list(settings.conditions), "version": SCENES_VERSION}
    text = yaml_text(kind)
    note = folder / _KIND
    if not note.is_file():
        write_whole(note, text.encode())
    elif note.read_text("utf-8") != text:
        raise InputError(
            f"{folder} holds stills of other settings or of an earlier version of the scenes (see "
            f"{_KIND} there); remove the folder or choose another."
        )


def _without_interrupts() -> None:
    """Leaves signals to the parent process, which reports them."""
    for number in SIGNALS:
        signal.signal(number, signal.SIG_IGN)


def render_stills(
    folder: Path,
    settings: DriveSettings,
    count: int,
    on_frame: Callable[[], None] | None = None,
) -> None:
    """`count` stills of as many streets, seeds from settings.seed up, the conditions in turn.

    Existing stills are kept, those of other seeds too. It starts a process per processor core, so
    a script must call it below `if __name__ == "__main__":`. Raises InputError where existing
    stills have other settings, SegRgbxError where memory runs out or a process was killed.
    """
    start_folder(folder)
    _keep_to_one_kind(folder, settings)
    jobs = [replace(settings, seed=settings.seed + i) for i in range(count)]
    what = f"scenes of {settings.width}x{settings.height} into {folder}"
    go_on = "finished stills stay: free some memory and start again, or make the images smaller"
    pool = ProcessPoolExecutor(os.cpu_count(), get_context("spawn"), _without_interrupts)
    try:
        with memory_errors(f"in rendering {what};", go_on):
            for _ in pool.map(_still, [folder] * count, jobs, chunksize=4):
                if on_frame is not None:
                    on_frame()
    except BrokenProcessPool as err:
        raise SegRgbxError(
            f"A process that rendered {what} was killed, perhaps for lack of memory; {go_on}."
        ) from err
    except StoppedError:
        pool.shutdown(cancel_futures=True)
        _finish_stills(folder, settings)
        raise
    finally:
        # An interruption does not wait for jobs that have not started.
        pool.shutdown(cancel_futures=True)
    _finish_stills(folder, settings)


def _finish_stills(folder: Path, settings: DriveSettings) -> None:
    there = sorted(path.stem for path in (folder / "rgb").glob("*.png"))
    _finish(folder, settings.modality, {stem: _light(settings, int(stem)) for stem in there})
