# SPDX-License-Identifier: Apache-2.0
"""Surfaces of files with pixels, arrays, events and tensors."""

import io
import zipfile
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
import torch
from safetensors.torch import save

from fuzz.messages import RGB, WARM, check_planes
from fuzz.mutate import archive_changed, image_changed
from fuzz.surface import Surface, as_file, need
from segrgbx_core.encoding import encode
from segrgbx_core.errors import RecipeError, SegRgbxError
from segrgbx_core.files.events import read_events, write_events
from segrgbx_core.files.images import (
    READING_TYPES,
    planes_of_picture,
    read_reading,
    read_rgb,
    read_rgbx,
)
from segrgbx_core.labels.images import from_zero, ids_of_colours, ids_of_numbers, numbers_in
from segrgbx_core.labels.label_set import load_label_set
from segrgbx_core.readings import Events
from segrgbx_core.weights.checkpoint_file import read_checkpoint, torch_content
from segrgbx_core.weights.importing import layout_of

_SUFFIXES = (".png", ".jpg", ".tiff", ".bmp", ".webp")
_RNG = np.random.default_rng(11)


def _images() -> Sequence[bytes]:
    images: list[tuple[str, npt.NDArray[Any]]]
    alpha = np.dstack([RGB, RGB[..., 0]])
    metres = WARM.astype(np.float32) / 1000
    images = [(suffix, RGB) for suffix in _SUFFIXES]
    images += [(".png", WARM), (".png", alpha), (".tiff", WARM), (".tiff", metres)]
    images += [(".png", RGB[..., 0])]
    return [cv2.imencode(suffix, image)[1].tobytes() for suffix, image in images]


def _palette() -> Sequence[bytes]:
    from PIL import Image

    ids = (np.arange(96).reshape(8, 12) % 9).astype(np.uint8)
    image = Image.fromarray(ids).convert("P")
    file = io.BytesIO()
    image.save(file, "PNG")
    return [file.getvalue(), cv2.imencode(".png", ids)[1].tobytes(), *_images()[:1]]


def _npy(array: np.ndarray) -> bytes:
    file = io.BytesIO()
    np.save(file, array)
    return file.getvalue()


def _arrays() -> Sequence[bytes]:
    kinds: tuple[Any, ...] = (np.uint8, np.uint16, np.float32, np.float64, ">u2", np.int32)
    return [_npy(WARM.astype(kind)) for kind in kinds] + [_npy(np.asfortranarray(RGB))]


def _events() -> Sequence[bytes]:
    n = 20
    events = Events(
        x=_RNG.integers(0, 16, n).astype(np.uint16),
        y=_RNG.integers(0, 16, n).astype(np.uint16),
        polarity=_RNG.integers(0, 2, n).astype(np.bool_),
        t_ns=np.sort(_RNG.integers(0, 1000, n)).astype(np.int64),
        width=16,
        height=16,
        start_ns=0,
        end_ns=1000,
    )
    with as_file(b"", "whole.npz") as path:
        write_events(path, events)
        packed = path.read_bytes()
    file = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(packed)) as archive, zipfile.ZipFile(file, "w") as stored:
        for name in archive.namelist():
            stored.writestr(name, archive.read(name))
    return [packed, file.getvalue()]


def _checkpoint() -> Sequence[bytes]:
    weights = {f"block.{i}.weight": torch.arange(12.0).reshape(3, 4) for i in range(3)}
    content = {
        "recipe": {"name": "a", "model": {"preset": "b0"}},
        "model": weights,
        "average": dict(weights),
        "optimiser": {"state": {0: {"step": 1.0}}, "param_groups": [{"lr": 1e-3, "params": [0]}]},
        "scaler": {},
        "step": 3,
        "best": 0.5,
        "seconds": 1.5,
        "rng": [torch.zeros(16, dtype=torch.uint8)],
    }
    return [_saved(content)]


def _saved(content: object, zipped: bool = True) -> bytes:
    file = io.BytesIO()
    torch.save(content, file, _use_new_zipfile_serialization=zipped)
    return file.getvalue()


def _foreign() -> Sequence[bytes]:
    tensors = {"patch_embed1.proj.weight": torch.ones(4, 3, 7, 7), "norm1.bias": torch.ones(4)}
    halves = {"state_dict": {n: t.half() for n, t in tensors.items()}, "epoch": 3}
    return [_saved(tensors), _saved(halves), _saved(tensors, zipped=False)]


def _safetensors() -> Sequence[bytes]:
    return [save({"patch_embed1.proj.weight": torch.ones(4, 3, 7, 7), "a": torch.ones(2)})]


def _check_reading(path: Path) -> None:
    reading = read_reading(path)
    need(reading.dtype in READING_TYPES and reading.ndim in (2, 3), f"a reading {reading.dtype}")
    refusals = []
    for modality in ("thermal", "depth", "polarization"):
        try:
            check_planes(encode(modality, reading))
        except SegRgbxError as err:
            refusals.append(err)
    if refusals:
        raise refusals[0]


def _check_rgb(path: Path) -> None:
    rgb = read_rgb(path)
    need(rgb.dtype == np.uint8 and rgb.ndim == 3 and rgb.shape[2] == 3, f"RGB {rgb.shape}")


def _check_rgbx(path: Path) -> None:
    rgb, x = read_rgbx(path)
    need(rgb.shape == (*x.shape, 3), f"RGB {rgb.shape} with X {x.shape}")


def _read_all(data: bytes, name: str, readers: Sequence[Callable[[Path], None]]) -> None:
    """Every reader of that kind of file, although the first may refuse it."""
    refusal: SegRgbxError | None = None
    with as_file(data, name) as path:
        for read in readers:
            try:
                read(path)
            except SegRgbxError as err:
                refusal = err
    if refusal is not None:
        raise refusal


def _read_image(data: bytes) -> None:
    pictured = (lambda path: check_planes(planes_of_picture(path)), _check_rgb, _check_rgbx)
    _read_all(data, "image.png", (*pictured, _check_reading))


def _read_label_image(data: bytes) -> None:
    labels = load_label_set("mfnet")

    def numbers(path: Path) -> None:
        ids = ids_of_numbers(numbers_in(path), from_zero(labels), path)
        need(ids.dtype == np.uint8 and ((ids < len(labels)) | (ids == 255)).all(), "a label")

    def colours(path: Path) -> None:
        need((ids_of_colours(path, labels) < len(labels)).all(), "a label by colour")

    _read_all(data, "labels.png", (numbers, colours))


def _read_npy(data: bytes) -> None:
    _read_all(data, "x.npy", (_check_reading,))


def _read_events(data: bytes) -> None:
    with as_file(data, "events.npz") as path:
        events = read_events(path)
    if events.width * events.height <= 1 << 16:
        check_planes(encode("event", events))


def _read_training(data: bytes) -> None:
    with as_file(data, "checkpoint.pt") as path:
        refusal = f"{path} cannot be read as a checkpoint ({{}}); begin again with --force."
        content = torch_content(path, RecipeError, refusal, sums=True)
    _ = repr(content)


def _read_foreign(name: str, data: bytes) -> None:
    with as_file(data, name) as path:
        tensors = read_checkpoint(path)
    for tensor in tensors.values():
        tensor.to(torch.float32, copy=True)
    layout_of(tensors)


def surfaces() -> Sequence[Surface]:
    """One for each kind of file."""
    return (
        Surface("image-file", _images, _read_image, image_changed),
        Surface("label-file", _palette, _read_label_image, image_changed),
        Surface("npy", _arrays, _read_npy),
        Surface("events-npz", _events, _read_events, archive_changed),
        Surface("checkpoint", _checkpoint, _read_training, archive_changed),
        Surface("foreign-checkpoint", _foreign, partial(_read_foreign, "a.pth")),
        Surface("safetensors", _safetensors, partial(_read_foreign, "a.safetensors")),
    )
