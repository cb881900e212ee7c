# SPDX-License-Identifier: Apache-2.0
"""Reuse of scene embeddings in a video: a scene changes more slowly than its pixels."""

import math
from dataclasses import dataclass

import torch.nn.functional as F
from torch import Tensor

from segrgbx_core.errors import InputError
from segrgbx_core.model.ma_clip import SceneEmbeddings
from segrgbx_core.model.preprocessing import Preprocessing, Triple

THUMBNAIL = 16


@dataclass(frozen=True)
class SceneRefresh:
    """When scene embeddings are computed again.

    every: number of frames that share one set of embeddings; 1 computes them for each frame.
    change: computes them earlier if the image differs more than this from the image of the
    embeddings (mean absolute difference of 16x16 thumbnails in 0..1); None never does.
    Raises InputError for values out of range.
    """

    every: int = 1
    change: float | None = None

    def __post_init__(self) -> None:
        if self.every < 1:
            raise InputError(f"The scene's refresh is every {self.every}; expected 1 or more.")
        if self.change is not None and not (math.isfinite(self.change) and 0 < self.change <= 1):
            raise InputError(
                f"The scene's refresh is at change {self.change}; expected above 0 and at most 1, "
                "or none."
            )


class SceneCache:
    """Keeps the last scene embeddings of a video, as long as `SceneRefresh` allows."""

    def __init__(self, refresh: SceneRefresh, preprocessing: Preprocessing) -> None:
        self._refresh = refresh
        self._deviations = (preprocessing.rgb_std, preprocessing.x_std)
        self._scene: SceneEmbeddings | None = None
        self._thumbnails: list[Tensor] = []
        self._modality = ""
        self._age = 0

    def forget(self) -> None:
        """Discards the embeddings; call it before a new recording."""
        self._scene, self._thumbnails, self._modality, self._age = None, [], "", 0

    def recall(self, rgb: Tensor, x: Tensor | None, modality: str) -> SceneEmbeddings | None:
        """The last embeddings if they are still valid for these normalised images, else None.

        rgb, x: (1, 3, H, W) float32.
        """
        self._age += 1
        stale = self._age >= self._refresh.every or modality != self._modality
        if self._scene is None or stale or (x is None) != (len(self._thumbnails) == 1):
            return None
        if self._refresh.change is not None:
            for before, now in zip(self._thumbnails, self._shrunk(rgb, x), strict=True):
                if float((now - before).abs().mean()) > self._refresh.change:
                    return None
        return self._scene

    def keep(self, scene: SceneEmbeddings, rgb: Tensor, x: Tensor | None, modality: str) -> None:
        """Stores the scene embeddings of these images."""
        self._scene, self._modality, self._age = scene, modality, 0
        self._thumbnails = self._shrunk(rgb, x)

    def _shrunk(self, rgb: Tensor, x: Tensor | None) -> list[Tensor]:
        images = [rgb] if x is None else [rgb, x]
        return [_thumbnail(v, d) for v, d in zip(images, self._deviations, strict=False)]


def _thumbnail(image: Tensor, deviation: Triple) -> Tensor:
    small = F.adaptive_avg_pool2d(image.float(), THUMBNAIL)
    return small * small.new_tensor(deviation).view(1, 3, 1, 1)
