# SPDX-License-Identifier: Apache-2.0
"""The first stage of a training with MA-CLIP: its tower tuned on the recipe's own samples."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from segrgbx_core.datasets import FolderDataset
from segrgbx_core.datasets.folder import Sample
from segrgbx_core.encoding import encode
from segrgbx_core.labels import UNLABELLED, LabelSet
from segrgbx_core.model.ma_clip import MaClip
from segrgbx_core.model.preprocessing import Preprocessing, resize_x
from segrgbx_core.training.clip_towers import ClipTowers
from segrgbx_core.training.clip_tuning import ClipBatch, ClipTuning, tune_clip
from segrgbx_core.training.recipe import Recipe

_LEAST_SHARE = 0.01


def classes_seen(sample: Sample, label_set: LabelSet) -> tuple[str, ...]:
    """Names of the classes on at least 1 % of the labelled pixels, the largest first."""
    labels = sample.labels[sample.labels != UNLABELLED]
    counts = np.bincount(labels, minlength=len(label_set))
    order = sorted(range(len(label_set)), key=lambda i: -counts[i])
    least = max(1.0, _LEAST_SHARE * labels.size)
    return tuple(label_set.classes[i].name for i in order if counts[i] >= least)


def clip_batches(
    data: FolderDataset, preprocessing: Preprocessing, clip: MaClip, size: int, seed: int
) -> Iterator[ClipBatch]:
    """Endless batches of `size` samples as the tower reads them, half of them mirrored.

    The same seed gives the same batches; each sample comes once before any comes again.
    """
    generator = torch.Generator().manual_seed(seed)
    waiting: list[int] = []
    while True:
        while len(waiting) < size:
            waiting += torch.randperm(len(data), generator=generator).tolist()
        chosen, waiting = waiting[:size], waiting[size:]
        samples = [data[index] for index in chosen]
        pairs = [_read(sample, data.modality, preprocessing, clip) for sample in samples]
        mirrored = torch.rand(size, generator=generator) < 0.5
        rgb, x = (torch.cat(column) for column in zip(*pairs, strict=True))
        yield ClipBatch(
            rgb=torch.where(mirrored[:, None, None, None], rgb.flip(3), rgb),
            x=torch.where(mirrored[:, None, None, None], x.flip(3), x),
            modalities=(data.modality,) * size,
            classes=tuple(classes_seen(sample, data.label_set) for sample in samples),
            conditions=tuple(sample.condition or None for sample in samples),
        )


def _read(
    sample: Sample, modality: str, preprocessing: Preprocessing, clip: MaClip
) -> tuple[Tensor, Tensor]:
    planes = encode(modality, sample.x)
    valid = torch.from_numpy(planes.valid)[None]
    data, valid = resize_x(torch.from_numpy(planes.data)[None], valid, sample.labels.shape)
    rgb = preprocessing.normalise_rgb(torch.from_numpy(sample.rgb).permute(2, 0, 1)[None])
    with torch.no_grad():
        return clip.as_read(rgb, 0), clip.as_read(preprocessing.normalise_x(data, valid), 1)


def tune_towers(
    recipe: Recipe,
    folder: Path,
    data: FolderDataset,
    preprocessing: Preprocessing,
    clips: Sequence[MaClip],
    on_step: Callable[[int, float], None] | None = None,
) -> None:
    """Tunes as `recipe.clip_tuning` says and gives the fixed tower to each of `clips`.

    folder: the one that a relative path of weights starts from. Raises ModelError for weights
    that do not fit, or where open_clip or peft is missing.
    """
    stage = recipe.clip_tuning
    assert stage is not None
    torch.manual_seed(recipe.seed)
    weights = None if stage.weights is None else (folder / stage.weights).resolve()
    towers = ClipTowers(recipe.model.clip, weights, stage.lora)
    if towers.statistics is not None:
        for clip in clips:
            rgb, x = preprocessing.rgb_mean, preprocessing.x_mean
            clip.set_input_statistics((rgb, preprocessing.rgb_std), towers.statistics, 0)
            clip.set_input_statistics((x, preprocessing.x_std), towers.statistics, 1)
    batches = clip_batches(data, preprocessing, clips[0], stage.batch, recipe.seed)
    tuning = ClipTuning(
        learning_rate=stage.learning_rate, steps=stage.steps, objective=stage.objective
    )
    tune_clip(towers, batches, recipe.model.modalities, tuning, on_step)
    tensors = towers.visual_tensors()
    for clip in clips:
        clip.load_visual(tensors)
