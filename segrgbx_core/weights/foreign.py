# SPDX-License-Identifier: Apache-2.0
"""A model to run, of a checkpoint that another project trained."""

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from torch import Tensor

from segrgbx_core.errors import ModelError
from segrgbx_core.labels.label_set import LabelSet
from segrgbx_core.model.preprocessing import Preprocessing
from segrgbx_core.model.segrgbx import ModelConfig, SegRgbX
from segrgbx_core.weights.card import ModelCard
from segrgbx_core.weights.checkpoint_file import read_checkpoint
from segrgbx_core.weights.checkpoint_names import WRAPPED, Layout, renamed
from segrgbx_core.weights.importing import ImportReport, import_weights, layout_of
from segrgbx_core.weights.store import presets_like

# The layouts by the word that a user gives, as `Layout.name` begins.
LAYOUT_WORDS = {
    "cmx": "a CMX-style checkpoint",
    "cmnext": "a CMNeXt-style checkpoint",
    "segformer": "a (Hugging Face )?SegFormer checkpoint",
    "pvt_v2": "a timm Pyramid Vision Transformer v2 checkpoint",
}
_MEAN, _STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


@dataclass(frozen=True)
class About:
    """What a checkpoint does not say. labels: its classes, in order. modality: X's sensor."""

    name: str
    labels: LabelSet
    modality: str
    license: str = "that of the weights' authors"
    short_side: int | None = None


@dataclass(frozen=True)
class Foreign:
    """An imported model, the card to save it with, and where each tensor went."""

    model: SegRgbX
    card: ModelCard
    report: ImportReport


def foreign_model(path: Path, about: About, layout: str | None = None) -> Foreign:
    """A CMX checkpoint as a model that runs; size and classes are read from its tensors.

    layout: one of LAYOUT_WORDS, if the file is to be held to it. Raises ModelError for a file that
    cannot be read, is of another layout, is no whole model or one with blocks that this project
    lacks, and for a label set with another number of classes.
    """
    tensors = read_checkpoint(path)
    found = layout_of(tensors)
    if layout is not None and not re.match(LAYOUT_WORDS[layout], found.name):
        raise ModelError(
            f"{path} is {found.name}, but layout {layout} was asked for; leave the layout out, or "
            "give another file."
        )
    _check_runs(path, found)
    own = {renamed(re.sub(WRAPPED, "", name), found.rules): v for name, v in tensors.items()}
    config = _config(path, own, about.labels)
    model = SegRgbX(config)
    report = import_weights(model, tensors)
    card = ModelCard(
        name=about.name,
        description=f"Imported from {path.name}, {found.name}; not trained by this project.",
        architecture=model.config,
        modalities=(about.modality,),
        label_set=about.labels,
        # CMX's code normalises X as it does RGB.
        preprocessing=Preprocessing("rgb", _MEAN, _STD, _MEAN, _STD, about.short_side),
        training={
            "imported from": path.name,
            "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
        },
        license=about.license,
    )
    return Foreign(model.eval(), card, report)


def _check_runs(path: Path, layout: Layout) -> None:
    if not layout.whole:
        raise ModelError(
            f"{path} is {layout.name}: an encoder for one image, without what joins RGB and X; "
            "it starts a training (`start_from: FILE` in a recipe), and cannot be run as it is."
        )
    if "CMNeXt" in layout.name:
        raise ModelError(
            f"{path} is {layout.name}, whose second stream has blocks that this model lacks; its "
            "RGB stream starts a training (`start_from: FILE` in a recipe)."
        )


def _config(path: Path, own: Mapping[str, Tensor], labels: LabelSet) -> ModelConfig:
    """The model that these tensors, under this project's names, are of."""
    presets = presets_like(own)
    classifier, lift = own.get("head.classifier.weight"), own.get("head.lift.0.weight")
    if not presets or classifier is None or lift is None:
        raise ModelError(
            f"{path} has an encoder or a head of sizes that are none of this project's presets; "
            "see `segrgbx info --table`."
        )
    if classifier.shape[0] != len(labels):
        raise ModelError(
            f"{path} has {classifier.shape[0]} classes and label set '{labels.name}' "
            f"{len(labels)}; give the set that it was trained with, its classes in order."
        )
    return ModelConfig(presets[0], len(labels), (), False, lift.shape[0])
