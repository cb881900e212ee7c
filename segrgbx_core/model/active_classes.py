# SPDX-License-Identifier: Apache-2.0
"""A model over a union of label sets, answering in the classes of one of them."""

import torch
from torch import Tensor

from segrgbx_core.errors import InputError
from segrgbx_core.labels_unified import Membership


def active_logits(logits: Tensor, active: Membership) -> Tensor:
    """Logits over the union, (B, unified, H, W), to logits over the active set, (B, C, H, W).

    A class's logit is the log of the sum of the exponentials of those that it meets, so that its
    softmax is the sum of their probabilities, given that the pixel is of the active set: unified
    classes that it does not cover have no say. For one met class that is its logit unchanged.
    Train on a set by cross entropy between these and the set's own labels.
    Raises InputError where the logits are not those of the union.
    """
    if logits.ndim != 4 or logits.shape[1] != len(active.unified):
        raise InputError(
            f"Logits have shape {tuple(logits.shape)}; expected (batch, {len(active.unified)}, "
            f"height, width), one for each class of '{active.unified.name}'."
        )
    return torch.stack([_together(logits, ids) for ids in active.meets], 1)


def _together(logits: Tensor, ids: tuple[int, ...]) -> Tensor:
    return logits[:, ids[0]] if len(ids) == 1 else logits[:, list(ids)].logsumexp(1)
