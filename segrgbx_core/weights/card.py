# SPDX-License-Identifier: Apache-2.0
"""The model card: everything about a model that is not in its tensors."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path

from segrgbx_core.errors import ModelError
from segrgbx_core.files.fields import filled
from segrgbx_core.files.yaml import read_yaml, yaml_text
from segrgbx_core.labels.label_set import LabelSet
from segrgbx_core.modality import MODALITIES, modality_named
from segrgbx_core.model.preprocessing import Preprocessing
from segrgbx_core.model.segrgbx import ModelConfig

CARD_FILE = "card.yaml"
WEIGHTS_FILE = "model.safetensors"
FORMAT = 1


@dataclass(frozen=True)
class WeightsEntry:
    """file: a name within the model folder; dtype: float32, float16 or bfloat16 as stored.

    Raises ModelError for a file in another folder.
    """

    file: str
    sha256: str
    dtype: str

    def __post_init__(self) -> None:
        if self.file != Path(self.file).name:
            raise ModelError(
                f"The weights' file is '{self.file}'; expected a name without folders."
            )


@dataclass(frozen=True)
class ModelCard:
    """What a model is, its input and output, and where it comes from.

    modalities: the second sensors it was trained with, () for RGB alone. training: provenance as
    free names and values. weights: None until the model is saved. limits: one sentence on what
    it must not be used for, said wherever its masks are shown; None without.
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
    limits: str | None = None

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

    @property
    def warning(self) -> str | None:
        """The limits as a sentence of its own; None without."""
        return None if self.limits is None else f"Model {self.name}: {self.limits}"

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
    if card.limits is not None:
        content["limits"] = card.limits
    if card.weights is not None:
        content["weights"] = asdict(card.weights)
    return yaml_text(content)


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
    content = read_yaml(path, ModelError)
    if not isinstance(content, dict):
        raise ModelError(f"{path} is not a mapping of names to values; restore the file.")
    if content.get("format") != FORMAT:
        raise ModelError(
            f"{path} has format {content.get('format')}; this version reads format {FORMAT}."
        )
    entries = filled(
        _CardFile, _completed(content), str(path), ModelError, whole=True, further=True
    )
    return ModelCard(
        name=entries.name,
        description=entries.description,
        architecture=entries.architecture,
        modalities=entries.modalities,
        label_set=entries.labels,
        preprocessing=entries.preprocessing,
        training=entries.training,
        license=entries.license,
        weights=entries.weights,
        limits=entries.limits,
    )


@dataclass(frozen=True)
class _CardFile:
    format: int
    name: str
    description: str
    license: str
    architecture: ModelConfig
    modalities: tuple[str, ...]
    preprocessing: Preprocessing
    labels: LabelSet
    training: Mapping[str, str | int | float]
    weights: WeightsEntry
    limits: str | None = None


def _completed(content: dict[str, object]) -> dict[str, object]:
    """The card, with defaults for what models without components may leave out."""
    given = content.get("architecture")
    if not isinstance(given, dict):
        return content
    default = ModelConfig()
    may_lack: dict[str, object] = {
        "shared_embeddings": False,
        "sensor_rank": 0,
        "reduction": 1,
        "norm_epsilons": list(default.norm_epsilons),
    }
    if not given.get("components"):
        may_lack |= {
            "clip": default.clip,
            "modalities": list(default.modalities),
            "control_prompts": default.control_prompts,
            "prompts": default.prompts,
            "dsrm_stages": list(default.dsrm_stages),
        }
    return {**content, "architecture": {**may_lack, **given}}
