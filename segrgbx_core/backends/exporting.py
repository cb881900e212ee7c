# SPDX-License-Identifier: Apache-2.0
"""Writes the network as files that other programs run: ONNX, and a `torch.export` program."""

import io
import json
import logging
import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import torch

from segrgbx_core.backends.graph import (
    OUTPUT,
    Graph,
    cached_graph,
    example,
    padded,
    tensors_of,
)
from segrgbx_core.errors import InputError
from segrgbx_core.files.disk import disk_errors, write_whole
from segrgbx_core.modality import NO_X
from segrgbx_core.model.ma_clip import modality_rows
from segrgbx_core.model.segrgbx import ModelConfig, SegRgbX
from segrgbx_core.weights.store import LoadedModel

LARGEST_SIDE = 8192


@dataclass(frozen=True)
class Exported:
    """size: (height, width) of the padded input. cached: what backend onnxruntime runs. files:
    those in the folder that was asked for."""

    size: tuple[int, int]
    cached: Path
    files: tuple[Path, ...] = ()


def export_model(
    loaded: LoadedModel, image: tuple[int, int], folder: Path | None = None
) -> Exported:
    """Writes the graph for images of (height, width) to the cache, and on request to a folder.

    A graph has one size, that at which the network sees such images. In the folder are NAME.onnx,
    NAME.pt2 and NAME.json, which says what goes in and comes out. Raises InputError for a size out
    of range and without the extra `onnx`, ModelError for a model that was never saved.
    """
    if not all(1 <= side <= LARGEST_SIDE for side in image):
        raise InputError(
            f"The image size is {image[1]}x{image[0]}; expected sides of 1 to {LARGEST_SIDE}."
        )
    network = loaded.card.preprocessing.inference_size(*image)
    size = padded(network)
    cached = cached_graph(loaded.card, size)
    given, program, data = _exported(loaded.model.eval().to("cpu"), size)
    with disk_errors(cached.parent):
        cached.parent.mkdir(parents=True, exist_ok=True)
    write_whole(cached, data)
    if folder is None:
        return Exported(size, cached)
    plain = re.sub(r"[^\w.-]+", "_", loaded.card.name).lstrip(".")
    name = f"{plain}_{network[0]}x{network[1]}"
    stored = io.BytesIO()
    torch.export.save(program, stored)
    about = json.dumps(_about(loaded, network, given), indent=2) + "\n"
    files = {".onnx": data, ".pt2": stored.getvalue(), ".json": about.encode()}
    with disk_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
    for ending, content in files.items():
        write_whole(folder / f"{name}{ending}", content)
    return Exported(size, cached, tuple(folder / f"{name}{ending}" for ending in files))


def onnx_of(model: SegRgbX, size: tuple[int, int]) -> bytes:
    """The ONNX file of a model on the CPU, for padded input of (height, width).

    Raises InputError without the extra `onnx`.
    """
    return _exported(model, size)[2]


def _exported(
    model: SegRgbX, size: tuple[int, int]
) -> tuple[dict[str, torch.Tensor], torch.export.ExportedProgram, bytes]:
    """The graph's arguments by name, its program, and its ONNX file."""
    try:
        import onnxscript  # noqa: F401
    except ImportError as err:
        raise InputError(
            "The export needs the packages onnx and onnxscript, which are not installed; "
            "`pip install 'segrgbx_ros[onnx]'`."
        ) from err
    given = tensors_of(example(model, size))
    with torch.no_grad(), _quiet():
        program = torch.export.export(Graph(model), tuple(given.values()), strict=False)
        made = torch.onnx.export(
            program, input_names=list(given), output_names=[OUTPUT], dynamo=True, verbose=False
        )
    assert made is not None
    return given, program, made.model_proto.SerializeToString()


def _about(
    loaded: LoadedModel, network: tuple[int, int], given: dict[str, torch.Tensor]
) -> dict[str, object]:
    card, config = loaded.card, loaded.model.config
    prepare = card.preprocessing
    return {
        "model": card.name,
        "weights_sha256": card.weights.sha256 if card.weights else None,
        "network_size": {"height": network[0], "width": network[1]},
        "inputs": {
            name: {"shape": list(value.shape), "type": str(value.dtype).removeprefix("torch.")}
            for name, value in given.items()
        },
        "rgb": {"order": "red first", "mean": prepare.rgb_mean, "std": prepare.rgb_std},
        "x": {"mean": prepare.x_mean, "std": prepare.x_std, "where_invalid": 0},
        "padding": "0, below and right, after normalising",
        **(_about_components(config) if "row" in given else {}),
        "output": "the head's logits, (1, classes, H / 4, W / 4); bilinear to H x W, then cut",
        "classes": list(card.label_set.names),
    }


def _about_components(config: ModelConfig) -> dict[str, object]:
    sensors = (NO_X, *config.modalities)
    rows = modality_rows(sensors, len(sensors), config.modalities)
    return {
        "row": dict(zip(sensors, rows, strict=True)),
        "scene": "rgb_scene and x_scene are what SegRgbX.embed_scene returns",
    }


@contextmanager
def _quiet() -> Iterator[None]:
    """Without the exporter's messages about its own insides."""
    loggers = [logging.getLogger(name) for name in ("torch.onnx", "onnxscript", "onnx_ir")]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)
