# SPDX-License-Identifier: Apache-2.0
"""The first stage of training with MA-CLIP: its tower is tuned on the recipe's own samples."""

import itertools
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from segrgbx_core.datasets import LabelledPairs, Sample, encoded
from segrgbx_core.encoding.stream import mirrored
from segrgbx_core.labels.label_set import UNLABELLED, LabelSet
from segrgbx_core.model.ma_clip import MaClip
from segrgbx_core.model.preprocessing import Preprocessing, resize_x
from segrgbx_core.readings import Planes
from segrgbx_core.training.augment import mixture_of
from segrgbx_core.training.clip.towers import ClipTowers
from segrgbx_core.training.clip.tuning import ClipBatch, ClipTuning, tune_clip
from segrgbx_core.training.mixture import Mixture
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
    sources: Sequence[LabelledPairs],
    mixture: Mixture,
    preprocessing: Preprocessing,
    clip: MaClip,
    size: int,
    seed: int,
) -> Iterator[ClipBatch]:
    """Endless batches of `size` samples as the tower reads them; half of the samples are mirrored.

    The same seed gives the same batches. In each source, every sample is used once before any is
    repeated.
    """
    generator = torch.Generator().manual_seed(seed)
    waiting: list[list[int]] = [[] for _ in sources]
    for step in itertools.count():
        wanted = [source for source, _ in mixture.batch(step, size)]
        chosen = _chosen(sources, wanted, waiting, generator)
        mirror = torch.rand(size, generator=generator) < 0.5
        samples = [sources[source][index] for source, index in chosen]
        names = tuple(sources[source].modality for source, _ in chosen)
        rows = [
            _read(sources[s], sample, bool(flip), preprocessing, clip)
            for (s, _), sample, flip in zip(chosen, samples, mirror, strict=True)
        ]
        rgb, x = (torch.cat(column) for column in zip(*rows, strict=True))
        yield ClipBatch(
            rgb=rgb,
            x=x,
            modalities=names,
            classes=tuple(
                classes_seen(sample, sources[s].label_set)
                for (s, _), sample in zip(chosen, samples, strict=True)
            ),
            conditions=tuple(sample.condition or None for sample in samples),
        )


def _chosen(
    sources: Sequence[LabelledPairs],
    wanted: Sequence[int],
    waiting: list[list[int]],
    generator: torch.Generator,
) -> list[tuple[int, int]]:
    """One sample for each wanted source; `waiting` holds those not used yet."""
    for source, count in sorted(Counter(wanted).items()):
        while len(waiting[source]) < count:
            waiting[source] += torch.randperm(len(sources[source]), generator=generator).tolist()
    return [(source, waiting[source].pop(0)) for source in wanted]


def _read(
    source: LabelledPairs, sample: Sample, mirror: bool, preprocessing: Preprocessing, clip: MaClip
) -> tuple[Tensor, Tensor]:
    planes, device = encoded(source, sample), clip.input_scale.device
    if mirror:
        # The images are flipped at the end, when they are small.
        turned = mirrored(planes, source.modality).data[..., ::-1]
        planes = Planes(np.ascontiguousarray(turned), planes.valid)
    valid = torch.from_numpy(planes.valid)[None]
    data, valid = resize_x(torch.from_numpy(planes.data)[None], valid, sample.labels.shape)
    rgb = preprocessing.normalise_rgb(torch.from_numpy(sample.rgb).permute(2, 0, 1)[None])
    x = preprocessing.normalise_x(data, valid)
    with torch.no_grad():
        pair = clip.as_read(rgb.to(device), 0), clip.as_read(x.to(device), 1)
    return (pair[0].flip(3), pair[1].flip(3)) if mirror else pair


def tune_towers(
    recipe: Recipe,
    folder: Path,
    sources: Sequence[LabelledPairs],
    preprocessing: Preprocessing,
    clips: Sequence[MaClip],
    *,
    on_step: Callable[[int, float], None] | None = None,
    started: bool = False,
) -> None:
    """Tunes by `recipe.clip_tuning` and loads the frozen tower into each of `clips`.

    folder: relative paths of weights start there. started: whether the tower of `clips` has been
    trained before and is the start where the recipe gives no weights. Raises ModelError for
    weights that do not fit, or where open_clip or peft is missing.
    """
    stage = recipe.clip_tuning
    assert stage is not None
    torch.manual_seed(recipe.seed)
    weights = None if stage.weights is None else (folder / stage.weights).resolve()
    start = clips[0].visual.state_dict() if started else None
    towers = ClipTowers(recipe.model.clip, weights, stage.lora, start)
    towers.to(clips[0].input_scale.device)
    if towers.statistics is not None:
        for clip in clips:
            rgb, x = preprocessing.rgb_mean, preprocessing.x_mean
            clip.set_input_statistics((rgb, preprocessing.rgb_std), towers.statistics, 0)
            clip.set_input_statistics((x, preprocessing.x_std), towers.statistics, 1)
    mixture = mixture_of(sources, recipe.data, recipe.seed)
    batches = clip_batches(sources, mixture, preprocessing, clips[0], stage.batch, recipe.seed)
    tuning = ClipTuning(
        learning_rate=stage.learning_rate, steps=stage.steps, objective=stage.objective
    )
    tune_clip(towers, batches, recipe.model.modalities, tuning, on_step)
    tensors = towers.visual_tensors()
    for clip in clips:
        clip.load_visual(tensors)
