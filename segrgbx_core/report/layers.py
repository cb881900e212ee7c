# SPDX-License-Identifier: Apache-2.0
"""The pictures of a run's page: small layers of each frame, written while the run goes on."""

import base64
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from segrgbx_core.errors import InputError
from segrgbx_core.files.disk import disk_errors, make_folder, write_whole
from segrgbx_core.files.fields import filled
from segrgbx_core.files.images import jpeg_bytes, png_bytes
from segrgbx_core.files.yaml import read_json
from segrgbx_core.labels.images import LabelImage
from segrgbx_core.readings import RgbImage

LAYER_FOLDER = "page"
PAGE_BYTES = 58_000_000
"""The most that the pictures of a page in one file take; with the rest, it stays under 60 MB."""
_AIM = 0.9
ONE_FILE_FRAMES = 1000
_SMALLEST, _LARGEST = 480 * 360, 640 * 480
_BYTES_A_PIXEL = 0.235
_BASE64 = 4 / 3
_BEST, _WORST, _STEP = 80, 20, 4

Grey = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class FrameLayers:
    """A frame's pictures in base64: RGB, X and confidence as JPEG, labels as PNG of class ids.

    width, height: of all of them, in pixels. x, truth: None where there was none.
    """

    width: int
    height: int
    rgb: str
    mask: str
    confidence: str
    x: str | None = None
    truth: str | None = None


class LayerWriter:
    """Writes a frame's layers to `page/` of the output folder, one file a frame.

    expected_frames: decides on the pictures' size. The JPEG quality follows what is left of a
    page's bytes, so that up to ONE_FILE_FRAMES frames fit into one file.
    """

    def __init__(self, out: Path, expected_frames: int) -> None:
        self._folder = out / LAYER_FOLDER
        frames = min(max(1, expected_frames), ONE_FILE_FRAMES)
        self._share = _AIM * PAGE_BYTES / _BASE64 / frames
        self._pixels = min(max(self._share / _BYTES_A_PIXEL, _SMALLEST), _LARGEST)
        self._left, self._quality = 0.0, _BEST

    def write(
        self,
        index: int,
        rgb: RgbImage,
        x_picture: RgbImage | None,
        labels: LabelImage,
        truth: LabelImage | None,
        confidence: Grey,
    ) -> None:
        """Writes the layers of one frame; the folder is made with the first.

        index: number of the mask, from 0. rgb, x_picture: (H, W, 3) uint8. labels, truth: (H, W)
        uint8 class ids. confidence: (H, W) uint8, 255 is 1. Layers of another size than rgb are
        shown at its size. Raises OutputError if they cannot be written.
        """
        make_folder(self._folder)
        size = self._size_of(rgb)
        data = {
            "rgb": self._jpeg(_smaller(rgb, size)),
            "mask": png_bytes(_nearest(labels, size)),
            "confidence": self._jpeg(_smaller(confidence, size)),
            "x": None if x_picture is None else self._jpeg(_smaller(x_picture, size)),
            "truth": None if truth is None else png_bytes(_nearest(truth, size)),
        }
        self._account(sum(len(picture) for picture in data.values() if picture is not None))
        content: dict[str, object] = {"width": size[0], "height": size[1]}
        for name, picture in data.items():
            content[name] = None if picture is None else base64.b64encode(picture).decode()
        write_whole(layer_path(self._folder, index), json.dumps(content).encode())

    def _size_of(self, rgb: RgbImage) -> tuple[int, int]:
        height, width = rgb.shape[:2]
        scale = min(1.0, float(np.sqrt(self._pixels / (height * width))))
        return max(1, round(width * scale)), max(1, round(height * scale))

    def _jpeg(self, picture: npt.NDArray[np.uint8]) -> bytes:
        return jpeg_bytes(picture, self._quality)

    def _account(self, spent: int) -> None:
        """Lowers the quality where frames took more than their share, and raises it again."""
        self._left += self._share - spent
        if spent > self._share and self._left < 0:
            self._quality = max(_WORST, self._quality - _STEP)
        elif self._left > 0 and spent < self._share:
            self._quality = min(_BEST, self._quality + 1)


def _smaller(picture: npt.NDArray[np.uint8], size: tuple[int, int]) -> npt.NDArray[np.uint8]:
    if picture.shape[1::-1] == size:
        return np.ascontiguousarray(picture)
    # The average over areas, where it matters: it takes three times as long.
    way = cv2.INTER_AREA if picture.shape[1] > 2 * size[0] else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(picture, size, interpolation=way), np.uint8)


def _nearest(labels: LabelImage, size: tuple[int, int]) -> LabelImage:
    if labels.shape[1::-1] == size:
        return np.ascontiguousarray(labels)
    return np.asarray(cv2.resize(labels, size, interpolation=cv2.INTER_NEAREST_EXACT), np.uint8)


def layer_path(folder: Path, index: int) -> Path:
    """The file of a frame's layers in the folder `page`."""
    return folder / f"{index:06d}.json"


def layer_files(out: Path) -> dict[int, Path]:
    """The files that a LayerWriter left, by the number of the mask, in its order."""
    files = (out / LAYER_FOLDER).glob("??????.json")
    return {int(path.stem): path for path in sorted(files) if path.stem.isdecimal()}


def read_layers(files: dict[int, Path]) -> Iterator[tuple[int, FrameLayers]]:
    """The layers of each file, a frame at a time. Raises InputError for other files."""
    for index, path in files.items():
        yield index, filled(FrameLayers, read_json(path, InputError), str(path), InputError)


def remove_layers(out: Path) -> None:
    """Removes what a LayerWriter left, and its folder where nothing else is in it.

    Raises OutputError where the disk refuses.
    """
    folder = out / LAYER_FOLDER
    with disk_errors(folder):
        for path in layer_files(out).values():
            path.unlink(missing_ok=True)
        if folder.is_dir() and not any(folder.iterdir()):
            folder.rmdir()
