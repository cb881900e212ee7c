# SPDX-License-Identifier: Apache-2.0
"""Scene embeddings of a dataset's images by MA-CLIP, and how well they separate the sensors."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from segrgbx_core.datasets.samples import LabelledPairs, Sample, encoded
from segrgbx_core.errors import InputError, ModelError
from segrgbx_core.evaluation.tsne import Floats, squared_distances
from segrgbx_core.model.placement import choose_device
from segrgbx_core.model.preprocessing import resize_rgb, resize_x
from segrgbx_core.weights.store import LoadedModel


def silhouettes(vectors: Floats, groups: Sequence[str]) -> Floats:
    """Each point's silhouette in -1..1, (N,): (b - a) / max(a, b).

    vectors: (N, D). a: mean distance to the others of its group; b: to the nearest other group.
    1 is far apart, 0 in between, below 0 nearer to another group. A point alone in its group has
    0. Raises InputError for fewer than two groups.
    """
    names = sorted(set(groups))
    if len(names) < 2:
        raise InputError(
            f"A silhouette needs two groups or more; these points are all '{''.join(names)}'."
        )
    distances = np.sqrt(squared_distances(vectors))
    member = np.array([[group == name for name in names] for group in groups])
    sizes = member.sum(axis=0)
    sums = distances @ member
    own = sums[member]
    own_size = (member * sizes).sum(axis=1)
    inside = own / np.maximum(own_size - 1, 1)
    outside = np.where(member, np.inf, sums / sizes).min(axis=1)
    values = (outside - inside) / np.maximum(np.maximum(inside, outside), 1e-12)
    return np.where(own_size > 1, values, 0.0)


RGB = "rgb"


@dataclass(frozen=True, eq=False)
class Embeddings:
    """vectors: (N, D) float64 of length 1. sensors: rgb or the modality of each; conditions:
    light or weather of each, empty where unknown; stems: the sample of each."""

    vectors: npt.NDArray[np.float64]
    sensors: tuple[str, ...]
    conditions: tuple[str, ...]
    stems: tuple[str, ...]


@dataclass(frozen=True)
class Separation:
    """Mean silhouette over all points, and over each group."""

    overall: float
    by_group: dict[str, float]


def evenly(count: int, limit: int) -> tuple[int, ...]:
    """At most `limit` of `count` indices, evenly spaced, in order."""
    chosen = np.linspace(0, count - 1, min(count, limit)).round().astype(int)
    return tuple(dict.fromkeys(chosen.tolist()))


class SceneEmbedder:
    """MA-CLIP as in the segmentation model: the same resizing, means and tower.

    Raises ModelError for a model without MA-CLIP, InputError for an unknown device.
    """

    def __init__(self, loaded: LoadedModel, device: str = "auto") -> None:
        parts = loaded.card.architecture.components
        if loaded.model.ma_clip is None:
            raise ModelError(
                f"Model '{loaded.card.name}' has no MA-CLIP (its components: "
                f"{', '.join(parts) or 'none'}), so it embeds no scene; choose a model trained "
                "with component ma_clip."
            )
        self.card = loaded.card
        self._device = choose_device(device)
        self._model = loaded.model.eval().to(self._device)

    def __call__(
        self,
        data: LabelledPairs,
        indices: Sequence[int],
        on_frame: Callable[[], None] | None = None,
    ) -> Embeddings:
        """Two vectors per sample, of its RGB image and its X; none for X without a valid pixel.

        Raises ModelError for a modality that the model was not trained with.
        """
        modality = self.card.check_modality(data.modality)
        vectors, sensors, conditions, stems = [], [], [], []
        for index in indices:
            sample = data[index]
            for sensor, vector in self._embedded(data, sample, modality).items():
                vectors.append(vector / np.linalg.norm(vector))
                sensors.append(sensor)
                conditions.append(sample.condition)
                stems.append(sample.stem)
            if on_frame is not None:
                on_frame()
        return Embeddings(np.stack(vectors), tuple(sensors), tuple(conditions), tuple(stems))

    def _embedded(
        self, data: LabelledPairs, sample: Sample, modality: str
    ) -> dict[str, npt.NDArray[np.float64]]:
        prepare = self.card.preprocessing
        size = prepare.inference_size(sample.rgb.shape[0], sample.rgb.shape[1])
        planes = encoded(data, sample)
        with torch.inference_mode():
            pixels = torch.from_numpy(sample.rgb).to(self._device).permute(2, 0, 1)[None]
            rgb = prepare.normalise_rgb(resize_rgb(pixels, size))
            values = torch.from_numpy(planes.data).to(self._device)[None]
            valid = torch.from_numpy(planes.valid).to(self._device)[None]
            x = prepare.normalise_x(*resize_x(values, valid, size))
            scene = self._model.embed_scene(rgb, x, modality)
        by_sensor = {RGB: _vector(scene.rgb)}
        if planes.valid.any():
            by_sensor[modality] = _vector(scene.x)
        return by_sensor


def concatenated(parts: Sequence[Embeddings]) -> Embeddings:
    """All parts, one after the other."""
    return Embeddings(
        np.concatenate([part.vectors for part in parts]),
        tuple(sensor for part in parts for sensor in part.sensors),
        tuple(condition for part in parts for condition in part.conditions),
        tuple(stem for part in parts for stem in part.stems),
    )


def separation(vectors: npt.NDArray[np.float64], groups: Sequence[str]) -> Separation:
    """How far the groups are apart. Raises InputError for fewer than two groups."""
    values = silhouettes(vectors, groups)
    named = np.array(groups)
    return Separation(
        float(values.mean()),
        {name: float(values[named == name].mean()) for name in dict.fromkeys(groups)},
    )


def _vector(embedding: Tensor) -> npt.NDArray[np.float64]:
    return np.asarray(embedding[0].double().cpu().numpy(), np.float64)
