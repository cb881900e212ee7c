# SPDX-License-Identifier: Apache-2.0
"""Models as they are after training, when each part has its say."""

from collections.abc import Callable

import pytest
import torch

from segrgbx_core.model import ModelConfig, SegRgbX

Awake = Callable[[ModelConfig], SegRgbX]


@pytest.fixture(scope="session")
def awake() -> Awake:
    """Builds a model, always of the same seed, whose gates are open and whose head is large
    enough that every path shows in the logits."""
    return _awake


def _awake(config: ModelConfig) -> SegRgbX:
    torch.manual_seed(5)
    model = SegRgbX(config).eval()
    with torch.no_grad():
        model.head.classifier.weight.normal_(0.0, 0.1)
        for embedding in model.modality_embedding or ():
            embedding.gate.normal_(0.0, 1.0)  # type: ignore[union-attr,operator]
        for block in (model.dsrm or {}).values():
            block.control.weight.normal_(0.0, 0.05)  # type: ignore[union-attr,operator]
            block.control.bias.normal_(0.0, 0.5)  # type: ignore[union-attr,operator]
    return model
