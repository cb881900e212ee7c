# SPDX-License-Identifier: Apache-2.0
"""MA-CLIP's loss: match images to texts, match scenes across sensors, separate sensors.

Equations: docs/method.md, "Tuning MA-CLIP".
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from segrgbx_core.errors import InputError
from segrgbx_core.modality import modality_named
from segrgbx_core.wording import spoken

RGB_PROMPT = "a color image"
_MOST_CLASSES = 6
_CONDITION_WORDS = {
    "day": "by day",
    "dusk": "at dusk",
    "night": "at night",
    "fog": "in fog",
    "glare": "against glaring light",
}


@dataclass(frozen=True)
class ClipObjective:
    """Weights of the three terms and the temperature of the last two."""

    text: float = 1.0
    scene: float = 0.5
    apart: float = 0.25
    temperature: float = 0.1

    def __post_init__(self) -> None:
        if min(self.text, self.scene, self.apart) < 0 or self.temperature <= 0:
            raise InputError(
                f"The objective is {self}; expected weights of 0 or more and a temperature above "
                "0."
            )


@dataclass(frozen=True)
class ClipEmbeddings:
    """Unit vectors of a batch of B scenes.

    rgb, x, rgb_text, x_text: (B, D). same_text: (2 B, 2 B) bool, True where two of the texts
    (RGB's, then X's) are equal. anchors: (M, D) texts of the sensors alone, RGB first. rows: (B,)
    int64, the anchor of each X.
    """

    rgb: Tensor
    x: Tensor
    rgb_text: Tensor
    x_text: Tensor
    same_text: Tensor
    anchors: Tensor
    rows: Tensor


def scene_text(modality: str | None, classes: Sequence[str], condition: str | None) -> str:
    """A sentence such as "a thermal image of a scene at night with road, car and person".

    modality: None for RGB. classes: the first six are used. condition: a condition of the
    scenes, or any phrase that fits after "a scene". Raises InputError for an unknown modality.
    """
    image = RGB_PROMPT if modality is None else modality_named(modality).prompt
    when = "" if condition is None else f" {_CONDITION_WORDS.get(condition, condition)}"
    names = [spoken(name) for name in classes[:_MOST_CLASSES]]
    if not names:
        return f"{image} of a scene{when}"
    shown = names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
    return f"{image} of a scene{when} with {shown}"


def anchor_texts(modalities: Sequence[str]) -> list[str]:
    """The texts of the sensors alone, RGB first."""
    return [RGB_PROMPT, *(modality_named(name).prompt for name in modalities)]


def same_texts(texts: Sequence[str]) -> Tensor:
    """(N, N) bool, True where two texts are equal and so interchangeable as targets."""
    ids = {text: i for i, text in enumerate(dict.fromkeys(texts))}
    numbers = torch.tensor([ids[text] for text in texts])
    return numbers[:, None] == numbers[None]


def text_term(embedded: ClipEmbeddings, scale: Tensor) -> Tensor:
    """InfoNCE both ways between the 2 B images and their texts; equal texts share the target."""
    images = torch.cat((embedded.rgb, embedded.x))
    texts = torch.cat((embedded.rgb_text, embedded.x_text))
    target = embedded.same_text.to(images.dtype)
    target = target / target.sum(1, keepdim=True)
    similar = scale * images @ texts.T
    return 0.5 * (F.cross_entropy(similar, target) + F.cross_entropy(similar.T, target))


def without_modality(vectors: Tensor, anchors: Tensor) -> Tensor:
    """(B, D) unit vectors with the span of the anchors' differences projected out. The anchors get
    no gradient, so that training moves the scenes and not the span."""
    differences = (anchors[1:] - anchors[:1]).detach().float()
    directions, _ = torch.linalg.qr(differences.T)
    directions = directions.to(vectors.dtype)
    return F.normalize(vectors - vectors @ directions @ directions.T, dim=1)


def scene_term(embedded: ClipEmbeddings, temperature: float) -> Tensor:
    """InfoNCE both ways between RGB and X of the same scene, with the sensor projected out."""
    rgb = without_modality(embedded.rgb, embedded.anchors)
    x = without_modality(embedded.x, embedded.anchors)
    similar = rgb @ x.T / temperature
    target = torch.arange(len(rgb), device=rgb.device)
    return 0.5 * (F.cross_entropy(similar, target) + F.cross_entropy(similar.T, target))


def apart_term(embedded: ClipEmbeddings, temperature: float) -> Tensor:
    """Cross entropy of classifying each image's sensor by its similarity to the anchors."""
    images = torch.cat((embedded.rgb, embedded.x))
    rows = torch.cat((torch.zeros_like(embedded.rows), embedded.rows))
    return F.cross_entropy(images @ embedded.anchors.T / temperature, rows)


def clip_loss(embedded: ClipEmbeddings, scale: Tensor, objective: ClipObjective) -> Tensor:
    """The weighted sum of the three terms, a scalar."""
    return (
        objective.text * text_term(embedded, scale)
        + objective.scene * scene_term(embedded, objective.temperature)
        + objective.apart * apart_term(embedded, objective.temperature)
    )
