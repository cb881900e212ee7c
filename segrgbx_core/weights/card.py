# SPDX-License-Identifier: Apache-2.0
"""The model card: everything about a model that its tensors do not say."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path

import yaml

from segrgbx_core.errors import ModelError
from segrgbx_core.labels.label_set import LabelClass, LabelSet
from segrgbx_core.modality import MODALITIES, modality_named
from segrgbx_core.model.preprocessing import Preprocessing
from segrgbx_core.model.segrgbx import ModelConfig
from segrgbx_core.weights.card_fields import Fields, read_fields

CARD_FILE = "card.yaml"
WEIGHTS_FILE = "model.safetensors"
FORMAT = 1


@dataclass(frozen=True)
class WeightsEntry:
    """file: a name within the model folder; dtype: float32, float16 or bfloat16 as stored."""

    file: str
    sha256: str
    dtype: str


@dataclass(frozen=True)
class ModelCard:
    """What a model is, what it reads, what it says, and where it comes from.

    modalities: the second sensors it was trained with, () for RGB alone. training: provenance as
    free names and values. weights: None until the model is saved.
    Raises ModelError where class counts disagree or a modality is unknown.
    """

    name: str
    description: str
    architecture: ModelConfig
    modalities: tuple[str, ...]
    label_set: LabelSet
    preprocessing: Preprocessing = field(default_factory=Preprocessing)
    training: Mapping[str, str | int | float] = field(default_factory=dict)
    license: str = "Apache-2.0"
    weights: WeightsEntry | None = None

    def __post_init__(self) -> None:
        classes = self.architecture.num_classes
        if classes != len(self.label_set):
            raise ModelError(
                f"Model '{self.name}' has {classes} classes but its label set "
                f"'{self.label_set.name}' has {len(self.label_set)}; give the label set it was "
                "trained with."
            )
        for modality in self.modalities:
            if modality not in MODALITIES:
                raise ModelError(
                    f"Model '{self.name}' names modality '{modality}', which is unknown; expected "
                    f"one of {', '.join(MODALITIES)}."
                )
            if self.architecture.components and modality not in self.architecture.modalities:
                raise ModelError(
                    f"Model '{self.name}' names modality '{modality}', but its architecture has "
                    f"prompts for {', '.join(self.architecture.modalities)} alone; add it there."
                )

    def check_modality(self, name: str) -> str:
        """The name, if the model was trained with it.

        Raises InputError for an unknown modality and ModelError for one not trained with.
        """
        if modality_named(name).name in self.modalities:
            return name
        trained = f"with {', '.join(self.modalities)}" if self.modalities else "on RGB alone"
        raise ModelError(
            f"Model '{self.name}' was trained {trained}, not with {name}; choose another model, "
            "train one, or leave X out to segment RGB alone."
        )


def card_text(card: ModelCard) -> str:
    """The card as YAML."""
    content = {
        "format": FORMAT,
        "name": card.name,
        "description": card.description,
        "license": card.license,
        "architecture": {
            key: list(value) if isinstance(value, tuple) else value
            for key, value in asdict(card.architecture).items()
        },
        "modalities": list(card.modalities),
        "preprocessing": {
            key: list(value) if isinstance(value, tuple) else value
            for key, value in asdict(card.preprocessing).items()
        },
        "labels": {
            "name": card.label_set.name,
            "classes": [{"name": c.name, "color": list(c.color)} for c in card.label_set.classes],
        },
        "training": dict(card.training),
    }
    if card.weights is not None:
        content["weights"] = asdict(card.weights)
    return yaml.safe_dump(content, sort_keys=False, allow_unicode=True, width=99)


def load_card(folder: Path) -> ModelCard:
    """The card of a model folder.

    Raises ModelError for a missing or broken file, a missing or wrong entry, or another format.
    """
    path = folder / CARD_FILE
    if not path.is_file():
        raise ModelError(
            f"Model folder {folder} has no {CARD_FILE}; a model folder holds {CARD_FILE} and "
            f"{WEIGHTS_FILE}."
        )
    fields = read_fields(path)
    if fields.integer("format") != FORMAT:
        raise ModelError(
            f"{path} has format {fields.integer('format')}; this version reads format {FORMAT}."
        )
    return ModelCard(
        name=fields.text("name"),
        description=fields.text("description"),
        architecture=_architecture(fields.group("architecture")),
        modalities=fields.texts("modalities"),
        label_set=_label_set(fields.group("labels")),
        preprocessing=_preprocessing(fields.group("preprocessing")),
        training=fields.facts("training"),
        license=fields.text("license"),
        weights=_weights(fields.group("weights")),
    )


def _architecture(found: Fields) -> ModelConfig:
    # Cards of models without components may lack the components' settings.
    fields = found.or_defaults(_component_defaults()) if not found.texts("components") else found
    return ModelConfig(
        preset=fields.text("preset"),
        num_classes=fields.integer("num_classes"),
        components=fields.texts("components"),
        shared_blocks=fields.flag("shared_blocks"),
        head_width=fields.optional_integer("head_width"),
        shared_embeddings=fields.flag("shared_embeddings", default=False),
        clip=fields.text("clip"),
        modalities=fields.texts("modalities"),
        control_prompts=fields.integer("control_prompts"),
        prompts=fields.integer("prompts"),
        dsrm_stages=fields.integers("dsrm_stages"),
    )


def _component_defaults() -> dict[str, object]:
    default = ModelConfig()
    return {
        "clip": default.clip,
        "modalities": list(default.modalities),
        "control_prompts": default.control_prompts,
        "prompts": default.prompts,
        "dsrm_stages": list(default.dsrm_stages),
    }


def _preprocessing(fields: Fields) -> Preprocessing:
    return Preprocessing(
        channel_order=fields.text("channel_order"),
        rgb_mean=fields.triple("rgb_mean"),
        rgb_std=fields.triple("rgb_std"),
        x_mean=fields.triple("x_mean"),
        x_std=fields.triple("x_std"),
        short_side=fields.optional_integer("short_side"),
    )


def _label_set(fields: Fields) -> LabelSet:
    classes = []
    for entry in fields.groups("classes"):
        red, green, blue = entry.triple("color")
        if not all(v == int(v) and 0 <= v <= 255 for v in (red, green, blue)):
            raise ModelError(
                f"{entry.place}.color is {[red, green, blue]}; expected whole numbers in 0..255."
            )
        classes.append(LabelClass(entry.text("name"), (int(red), int(green), int(blue))))
    return LabelSet(fields.text("name"), tuple(classes))


def _weights(fields: Fields) -> WeightsEntry:
    file = fields.text("file")
    if file != Path(file).name:
        raise ModelError(f"{fields.place}.file is '{file}'; expected a name without folders.")
    return WeightsEntry(file, fields.text("sha256"), fields.text("dtype"))
