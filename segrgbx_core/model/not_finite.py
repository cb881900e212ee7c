# SPDX-License-Identifier: Apache-2.0
"""Values that are not numbers, counted where they enter; the model passes them on, unmasked."""

from dataclasses import dataclass

import torch
from torch import Tensor

from segrgbx_core.errors import InputError


@dataclass(frozen=True)
class NotFinite:
    """NaN and infinite values of a batch. samples: which of it hold any, counted from 0."""

    rgb: int
    x: int
    samples: tuple[int, ...]

    def __bool__(self) -> bool:
        return bool(self.samples)


def count_not_finite(rgb: Tensor, x: Tensor | None, present: Tensor | None = None) -> NotFinite:
    """Counts in the model's inputs, (B, 3, H, W); samples without X have none in it."""
    bad_rgb = (~torch.isfinite(rgb)).sum((1, 2, 3))
    bad_x = torch.zeros_like(bad_rgb)
    if x is not None:
        bad_x = (~torch.isfinite(x)).sum((1, 2, 3))
        if present is not None:
            bad_x = bad_x * present
    samples = tuple(torch.nonzero(bad_rgb + bad_x).flatten().tolist())
    return NotFinite(int(bad_rgb.sum()), int(bad_x.sum()), samples)


def require_finite(rgb: Tensor, x: Tensor | None, present: Tensor | None = None) -> None:
    """Raises InputError, which says how many values of which samples are not finite."""
    found = count_not_finite(rgb, x, present)
    if found:
        raise InputError(
            f"The input holds values that are not finite, {found.rgb} in rgb and {found.x} in x, "
            f"in samples {', '.join(map(str, found.samples[:5]))} of {rgb.shape[0]}; mark such "
            "pixels invalid, which makes them 0, or leave the frame out."
        )
