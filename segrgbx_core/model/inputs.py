# SPDX-License-Identifier: Apache-2.0
"""Checks of the network's inputs, padding of a batch, and counts of values that are not finite."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from segrgbx_core.errors import InputError
from segrgbx_core.modality import MODALITIES, NO_X

SIZE_MULTIPLE = 32


def masked(rgb: Tensor, x: Tensor | None, present: Tensor | None) -> Tensor:
    """X (B, 3, H, W) with 0 for samples without it."""
    planes = torch.zeros_like(rgb) if x is None else x
    if present is None:
        return planes
    return planes.masked_fill(~present[:, None, None, None], 0.0)


def padded_length(length: int) -> int:
    """The next multiple of 32."""
    return length + -length % SIZE_MULTIPLE


def pad(planes: Tensor) -> Tensor:
    """Planes with 0 added below and right, up to a multiple of 32."""
    height, width = planes.shape[2], planes.shape[3]
    bottom, right = padded_length(height) - height, padded_length(width) - width
    return F.pad(planes, (0, right, 0, bottom)) if bottom or right else planes


def check_inputs(
    rgb: Tensor, x: Tensor | None, modality: str | Sequence[str], present: Tensor | None
) -> None:
    """Raises InputError where shapes or names in a batch do not agree."""
    if rgb.ndim != 4 or rgb.shape[1] != 3:
        raise InputError(f"rgb has shape {tuple(rgb.shape)}; expected (batch, 3, height, width).")
    if x is not None and x.shape != rgb.shape:
        raise InputError(
            f"x has shape {tuple(x.shape)} and rgb {tuple(rgb.shape)}; give both the same shape."
        )
    if present is not None and present.shape != rgb.shape[:1]:
        raise InputError(
            f"present has shape {tuple(present.shape)}; expected ({rgb.shape[0]},), one flag per "
            "sample."
        )
    names = (modality,) if isinstance(modality, str) else tuple(modality)
    if not isinstance(modality, str) and len(names) != rgb.shape[0]:
        raise InputError(
            f"{len(names)} modality names came with {rgb.shape[0]} samples; give one name, or one "
            "for each sample."
        )
    for name in names:
        if name != NO_X and name not in MODALITIES:
            raise InputError(
                f"Modality '{name}' is unknown; expected {NO_X} or one of {', '.join(MODALITIES)}."
            )


@dataclass(frozen=True)
class NotFinite:
    """Numbers of NaN and infinite values in a batch. samples: those with any, counted from 0."""

    rgb: int
    x: int
    samples: tuple[int, ...]

    def __bool__(self) -> bool:
        return bool(self.samples)


def count_not_finite(rgb: Tensor, x: Tensor | None, present: Tensor | None = None) -> NotFinite:
    """Counts in the model's inputs, (B, 3, H, W); X of samples without X is not counted."""
    bad_rgb = (~torch.isfinite(rgb)).sum((1, 2, 3))
    bad_x = torch.zeros_like(bad_rgb)
    if x is not None:
        bad_x = (~torch.isfinite(x)).sum((1, 2, 3))
        if present is not None:
            bad_x = bad_x * present
    samples = tuple(torch.nonzero(bad_rgb + bad_x).flatten().tolist())
    return NotFinite(int(bad_rgb.sum()), int(bad_x.sum()), samples)


def require_finite(rgb: Tensor, x: Tensor | None, present: Tensor | None = None) -> None:
    """Raises InputError with the count and the samples of values that are not finite."""
    bad = count_not_finite(rgb, x, present)
    if bad:
        raise InputError(
            f"The input holds values that are not finite, {bad.rgb} in rgb and {bad.x} in x, "
            f"in samples {', '.join(map(str, bad.samples[:5]))} of {rgb.shape[0]}; mark such "
            "pixels invalid, which makes them 0, or leave the frame out."
        )
