# SPDX-License-Identifier: Apache-2.0
"""Weights of one of this project's own models into another: other classes, sensors or parts."""

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

import torch
from torch import Tensor

from segrgbx_core.errors import ModelError
from segrgbx_core.model.import_report import ImportReport, LeftOver, Taken
from segrgbx_core.model.ma_clip import NO_MODALITY
from segrgbx_core.model.segrgbx import SegRgbX
from segrgbx_core.model.weights import load_model

_BY_CLASS = re.compile(r"^head\.classifier\.")
_BY_SENSOR = re.compile(r"^(modality_embedding\.\d\.prompts|modality_vectors\.\w+)$")
_STREAM = re.compile(r"^(encoder\.stages\.\d\.(?:embeddings|blocks|norms)\.)\d(\..+)$")
_RGB = "RGB"


def continue_from(
    model: SegRgbX, class_names: Sequence[str], name_or_folder: str | Path
) -> ImportReport:
    """Fills the model with what a shipped model, or one in a folder, has for it.

    Tensors go by name. The classifier's rows go by the class's name and the prompts by the
    sensor's, so that the start may know other classes and sensors; one with shared encoder parts
    fills both streams of one without. What the start lacks, or has in another size, stays fresh
    and is reported. class_names: the model's, in order.
    Raises ModelError for a folder that holds no whole model, and for one with another encoder.
    """
    start = load_model(name_or_folder)
    found = start.model.state_dict()
    rows = {
        _BY_CLASS: (start.card.label_set.names, tuple(class_names)),
        _BY_SENSOR: (_sensors(start.model), _sensors(model)),
    }
    values, used = dict[str, Tensor](), dict[str, list[str]]()
    own = model.state_dict()
    for name, fresh in own.items():
        source = next((n for n in _candidates(name) if n in found), None)
        if source is None:
            continue
        value = _fitted(name, found[source], fresh, rows)
        if value is not None:
            values[name] = value
            used.setdefault(source, []).append(name)
    _check_encoder(model, values, start.card.architecture.preset)
    model.load_state_dict({**own, **values}, strict=True)
    return ImportReport(
        f"model '{start.card.name}'",
        tuple(Taken(name, tuple(places)) for name, places in used.items()),
        tuple(LeftOver(n, _why_left(n, own)) for n in found if n not in used),
        tuple(name for name in own if name not in values),
    )


def _sensors(model: SegRgbX) -> tuple[str, ...]:
    return (_RGB, NO_MODALITY, *model.config.modalities)


def _candidates(name: str) -> Iterator[str]:
    """The start's names for a tensor: its own, then that of the first stream."""
    yield name
    stream = _STREAM.match(name)
    if stream is not None:
        yield f"{stream[1]}0{stream[2]}"


def _fitted(
    name: str,
    value: Tensor,
    fresh: Tensor,
    rows: dict[re.Pattern[str], tuple[tuple[str, ...], tuple[str, ...]]],
) -> Tensor | None:
    """The value as the model keeps it; None where it has another size."""
    named = next((pair for pattern, pair in rows.items() if pattern.match(name)), None)
    if named is None:
        return value if value.shape == fresh.shape else None
    if value.shape[1:] != fresh.shape[1:]:
        return None
    theirs, ours = named
    merged = fresh.clone()
    with torch.no_grad():
        for row, label in enumerate(ours):
            if label in theirs:
                merged[row] = value[theirs.index(label)]
    return merged


def _check_encoder(model: SegRgbX, values: dict[str, Tensor], preset: str) -> None:
    stages = [name for name in model.state_dict() if name.startswith("encoder.stages.")]
    missing = [name for name in stages if name not in values]
    if missing:
        raise ModelError(
            f"The start is of preset {preset} and lacks {len(missing)} of the {len(stages)} "
            f"tensors of this encoder ({missing[0]}, ...), which is of {model.config.preset}; "
            "start from a model of the same preset."
        )


def _why_left(name: str, own: dict[str, Tensor]) -> str:
    return "of another size here" if name in own else "this model has no such part"
