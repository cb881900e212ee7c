# SPDX-License-Identifier: Apache-2.0
"""Starts a model from another of this project, with other classes, sensors or parts."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from torch import Tensor

from segrgbx_core.errors import ModelError
from segrgbx_core.modality import NO_X
from segrgbx_core.model.segrgbx import SegRgbX
from segrgbx_core.weights.card import ModelCard
from segrgbx_core.weights.importing import ImportReport, LeftOver, Taken, close_rectification
from segrgbx_core.weights.store import load_model

_BY_CLASS = re.compile(r"^head\.classifier\.")
_BY_SENSOR = re.compile(
    r"^(modality_embedding\.\d\.prompts|modality_vectors\.\w+|sensor_adapter\.\d\.(up|down))$"
)
_STREAM = re.compile(r"^(encoder\.stages\.\d\.(?:embeddings|blocks|norms)\.)\d(\..+)$")
_RGB = "RGB"


def continue_from(
    model: SegRgbX, class_names: Sequence[str], name_or_folder: str | Path
) -> ImportReport:
    """Fills the model with the matching tensors of a shipped model or one in a folder, the start.

    Tensors match by name, the classifier's rows by class name and the prompts by sensor name, so
    that the start may have other classes and sensors. Shared encoder parts of the start fill both
    streams of a model without. What the start lacks, or has in another size, stays fresh and is
    reported, rows as `head.classifier.weight[car]`; fresh weights of FRMs begin closed.
    class_names: the model's, in order.
    Raises ModelError for a folder without a complete model, and for another preset.
    """
    start = load_model(name_or_folder)
    _check_preset(start.card, model)
    theirs, own = start.model.state_dict(), model.state_dict()
    by_class = _Rows(start.card.label_set.names, tuple(class_names))
    by_sensor = _Rows(_sensors(start.model), _sensors(model))
    values, used, missing = dict[str, Tensor](), dict[str, list[str]](), list[str]()
    for name, fresh in own.items():
        source = next((n for n in _candidates(name) if n in theirs), name)
        rows = _rows_of(name, by_class, by_sensor)
        value = _fitted(theirs.get(source), fresh, rows)
        if value is None:
            missing.append(name)
            continue
        values[name] = value
        used.setdefault(source, []).append(name)
        missing += [f"{name}[{row}]" for row in (rows.new if rows else ())]
    model.load_state_dict({**own, **values}, strict=True)
    closed = close_rectification(model, missing)
    model.set_norm_epsilons(start.model.config.norm_epsilons)
    return ImportReport(
        f"model '{start.card.name}'",
        tuple(Taken(name, tuple(places)) for name, places in used.items()),
        tuple(LeftOver(n, _why_left(n, own)) for n in theirs if n not in used),
        tuple(missing),
        closed,
    )


@dataclass(frozen=True)
class _Rows:
    """What a tensor's rows stand for, in the start and in the model."""

    theirs: tuple[str, ...]
    ours: tuple[str, ...]

    @property
    def new(self) -> tuple[str, ...]:
        """Rows of the model that the start lacks."""
        return tuple(name for name in self.ours if name not in self.theirs)


def _sensors(model: SegRgbX) -> tuple[str, ...]:
    return (_RGB, NO_X, *model.config.modalities)


def _candidates(name: str) -> Iterator[str]:
    """Names to try in the start: the tensor's own, then that of the first stream."""
    yield name
    stream = _STREAM.match(name)
    if stream is not None:
        yield f"{stream[1]}0{stream[2]}"


def _rows_of(name: str, by_class: _Rows, by_sensor: _Rows) -> _Rows | None:
    if _BY_CLASS.match(name):
        return by_class
    return by_sensor if _BY_SENSOR.match(name) else None


def _fitted(value: Tensor | None, fresh: Tensor, rows: _Rows | None) -> Tensor | None:
    """The value as the model keeps it; None if it is missing, has another size, or shares no row
    with the model."""
    if value is None:
        return None
    if rows is None:
        return value if value.shape == fresh.shape else None
    if value.shape[1:] != fresh.shape[1:] or len(rows.new) == len(rows.ours):
        return None
    merged = fresh.clone()
    for row, name in enumerate(rows.ours):
        if name in rows.theirs:
            merged[row] = value[rows.theirs.index(name)]
    return merged


def _check_preset(card: ModelCard, model: SegRgbX) -> None:
    theirs, ours = card.architecture.preset, model.config.preset
    if theirs != ours:
        raise ModelError(
            f"Model '{card.name}' has an encoder of preset {theirs}, which cannot start one of "
            f"{ours}; start from a model of {ours}, or build this one as {theirs}."
        )


def _why_left(name: str, own: dict[str, Tensor]) -> str:
    return "of another size here" if name in own else "this model has no such part"
