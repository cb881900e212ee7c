# SPDX-License-Identifier: Apache-2.0
"""The all-MLP segmentation head (SegFormer, arXiv 2105.15203, section 3.2).

The paper projects each level to `width` channels, upsamples all to a quarter of the input,
concatenates them and mixes them by a 1x1 convolution. Projection and mixing are linear, and
upsampling is linear with weights that sum to one, so the order does not matter: here each level
is mixed at its own size by the product of the two matrices and upsampled afterwards. Same
function, same parameters, about a tenth of the operations.
"""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from segrgbx_core.errors import InputError
from segrgbx_core.labels.union import Membership


class MlpHead(nn.Module):
    """Four fused maps to logits at a quarter of the input's size."""

    def __init__(self, widths: Sequence[int], width: int, num_classes: int) -> None:
        super().__init__()
        self.lift = nn.ModuleList(nn.Linear(w, width) for w in widths)
        self.mix = nn.Conv2d(len(widths) * width, width, 1, bias=False)
        self.norm = nn.BatchNorm2d(width)
        self.dropout = nn.Dropout2d(0.1)
        self.classifier = nn.Conv2d(width, num_classes, 1)

    def forward(self, levels: Sequence[Tensor]) -> Tensor:
        """Maps (B, C_i, H / s_i, W / s_i), finest first, to logits (B, classes, H / 4, W / 4)."""
        size = levels[0].shape[2:]
        shares = self.mix.weight.flatten(1).chunk(len(levels), 1)
        total: Tensor | None = None
        for level, lift, share in zip(levels, self.lift, shares, strict=True):
            assert isinstance(lift, nn.Linear)
            part = F.conv2d(level, (share @ lift.weight)[:, :, None, None], share @ lift.bias)
            if part.shape[2:] != size:
                part = F.interpolate(part, size, mode="bilinear", align_corners=False)
            total = part if total is None else total + part
        logits: Tensor = self.classifier(self.dropout(torch.relu(self.norm(total))))
        return logits


def active_logits(logits: Tensor, active: Membership) -> Tensor:
    """Logits over the union, (B, unified, H, W), to logits over the active set, (B, C, H, W).

    A class's logit is the log-sum-exp over the unified classes that it meets. Its softmax is then
    the sum of their probabilities, given that the pixel belongs to the active set; unified
    classes outside the set have no influence. With one met class its logit is unchanged.
    Train on a set by cross entropy between these logits and the set's own labels.
    Raises InputError where the logits are not those of the union.
    """
    if logits.ndim != 4 or logits.shape[1] != len(active.unified):
        raise InputError(
            f"Logits have shape {tuple(logits.shape)}; expected (batch, {len(active.unified)}, "
            f"height, width), one for each class of '{active.unified.name}'."
        )
    # One selection for all classes, as each has a gradient of the size of all logits; along the
    # last axis of channels-last memory.
    ids = torch.tensor([i for met in active.meets for i in met], device=logits.device)
    chosen = logits.permute(0, 2, 3, 1).index_select(3, ids)
    each = torch.split(chosen, [len(met) for met in active.meets], 3)
    joined = [e if e.shape[3] == 1 else e.logsumexp(3, keepdim=True) for e in each]
    return torch.cat(joined, 3).permute(0, 3, 1, 2)
