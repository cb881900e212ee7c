# SPDX-License-Identifier: Apache-2.0
"""The head against the order of operations in its paper."""

import torch
import torch.nn.functional as F
from torch import Tensor

from segrgbx_core.model.head import MlpHead


def _as_published(head: MlpHead, levels: list[Tensor]) -> Tensor:
    """Project, upsample, concatenate, mix: at a quarter of the input's size throughout."""
    lifted = [
        F.interpolate(
            lift(level.permute(0, 2, 3, 1)).permute(0, 3, 1, 2),
            levels[0].shape[2:],
            mode="bilinear",
            align_corners=False,
        )
        for level, lift in zip(levels, head.lift, strict=True)
    ]
    return head.classifier(torch.relu(head.norm(head.mix(torch.cat(lifted, 1)))))


def test_mixing_before_enlarging_changes_nothing() -> None:
    torch.manual_seed(1)
    head = MlpHead((4, 6, 8, 10), 12, 5).eval()
    levels = [
        torch.randn(2, width, 16 // 2**i, 24 // 2**i) for i, width in enumerate((4, 6, 8, 10))
    ]
    with torch.no_grad():
        for parameter in head.parameters():
            parameter.normal_(0.0, 0.3)
        head.norm.running_mean.normal_()
        torch.testing.assert_close(head(levels), _as_published(head, levels), atol=1e-5, rtol=1e-5)
