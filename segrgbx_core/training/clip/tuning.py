# SPDX-License-Identifier: Apache-2.0
"""Tuning of MA-CLIP: from batches of RGB, X and their content to a visual tower."""

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from segrgbx_core.errors import InputError, SegRgbxError
from segrgbx_core.training.clip.objective import (
    ClipEmbeddings,
    ClipObjective,
    anchor_texts,
    clip_loss,
    same_texts,
    scene_text,
)
from segrgbx_core.training.clip.towers import ClipTowers, parameters_to_tune


@dataclass(frozen=True)
class ClipBatch:
    """rgb, x: (B, 3, side, side) as `MaClip.as_read` gives them. modalities: of each X. classes:
    names seen in each scene. conditions: light or weather of each scene, None where unknown."""

    rgb: Tensor
    x: Tensor
    modalities: tuple[str, ...]
    classes: tuple[tuple[str, ...], ...]
    conditions: tuple[str | None, ...]

    def __post_init__(self) -> None:
        counts = {len(self.rgb), len(self.x), len(self.modalities), len(self.classes)}
        if counts != {len(self.conditions)}:
            raise InputError(
                "A batch's images, modalities, classes and conditions count "
                f"{sorted(counts | {len(self.conditions)})}; give as many of each."
            )


@dataclass(frozen=True)
class ClipTuning:
    """AdamW with cosine decay. learning_rate suits LoRA; the small CLIP, trained completely from
    new weights, needs 5e-4."""

    learning_rate: float = 1e-4
    weight_decay: float = 0.01
    steps: int = 1000
    gradient_clip: float = 1.0
    objective: ClipObjective = field(default_factory=ClipObjective)

    def __post_init__(self) -> None:
        if self.steps < 1 or not self.learning_rate > 0:
            raise InputError(
                f"CLIP tuning has {self.steps} steps at rate {self.learning_rate}; expected 1 or "
                "more steps and a rate above 0."
            )


def embed_batch(towers: ClipTowers, batch: ClipBatch, modalities: Sequence[str]) -> ClipEmbeddings:
    """Embeds a batch's images, its texts and the anchors of the given modalities.

    Raises InputError where the batch holds a modality that is not among them.
    """
    unknown = sorted(set(batch.modalities) - set(modalities))
    if unknown:
        raise InputError(
            f"The batch holds modality {', '.join(unknown)}; the tuning knows "
            f"{', '.join(modalities)}: name all that the data has."
        )
    facts = list(zip(batch.modalities, batch.classes, batch.conditions, strict=True))
    texts = [scene_text(None, classes, condition) for _, classes, condition in facts]
    texts += [scene_text(*fact) for fact in facts]
    anchors = anchor_texts(modalities)
    images = towers.embed_images(torch.cat((batch.rgb, batch.x)))
    read = towers.embed_texts([*texts, *anchors])
    count = len(batch.rgb)
    rows = [1 + list(modalities).index(name) for name in batch.modalities]
    return ClipEmbeddings(
        rgb=images[:count],
        x=images[count:],
        rgb_text=read[:count],
        x_text=read[count : 2 * count],
        same_text=same_texts(texts).to(images.device),
        anchors=read[2 * count :],
        rows=torch.tensor(rows, device=images.device),
    )


def tune_clip(
    towers: ClipTowers,
    batches: Iterable[ClipBatch],
    modalities: Sequence[str],
    tuning: ClipTuning,
    on_step: Callable[[int, float], None] | None = None,
) -> list[float]:
    """Tunes in place over the first `steps` batches and returns each step's loss.

    on_step gets the number of finished steps and the loss. Low-rank updates stay separate until
    `towers.merge()`. Raises InputError where batches end early, SegRgbxError where the loss
    diverges.
    """
    chosen = parameters_to_tune(towers)
    optimiser = torch.optim.AdamW(chosen, tuning.learning_rate, weight_decay=tuning.weight_decay)
    source, losses = iter(batches), list[float]()
    towers.train()
    for step in range(tuning.steps):
        batch = next(source, None)
        if batch is None:
            raise InputError(
                f"The batches ended after {step} of {tuning.steps} steps; give an endless stream "
                "or fewer steps."
            )
        decay = 0.5 * (1 + math.cos(math.pi * step / tuning.steps))
        optimiser.param_groups[0]["lr"] = tuning.learning_rate * decay
        loss = clip_loss(embed_batch(towers, batch, modalities), towers.scale, tuning.objective)
        losses.append(float(loss.detach()))
        if not math.isfinite(losses[-1]):
            raise SegRgbxError(
                f"The loss of CLIP tuning is {losses[-1]} at step {step}; lower its learning rate."
            )
        optimiser.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(chosen, tuning.gradient_clip)
        optimiser.step()
        if on_step is not None:
            on_step(step + 1, losses[-1])
    towers.eval()
    return losses
