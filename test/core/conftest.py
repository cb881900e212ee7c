# SPDX-License-Identifier: Apache-2.0
"""Models as after training, where every part affects the output."""

from collections.abc import Callable

import pytest
import torch

from segrgbx_core.model import ModelConfig, SegRgbX

Awake = Callable[[ModelConfig], SegRgbX]


@pytest.fixture(scope="session")
def awake() -> Awake:
    """Builds a model, always from the same seed, with open gates and head weights large enough
    for every path to affect the logits."""
    return _awake


def _awake(config: ModelConfig) -> SegRgbX:
    torch.manual_seed(5)
    model = SegRgbX(config).eval()
    with torch.no_grad():
        model.head.classifier.weight.normal_(0.0, 0.1)
        for embedding in model.modality_embedding or ():
            embedding.gate.normal_(0.0, 1.0)  # type: ignore[union-attr,operator]
        for adapter in model.sensor_adapter or ():
            adapter.up.normal_(0.0, 0.3)  # type: ignore[union-attr,operator]
        for block in (model.dsrm or {}).values():
            block.control.weight.normal_(0.0, 0.05)  # type: ignore[union-attr,operator]
            block.control.bias.normal_(0.0, 0.5)  # type: ignore[union-attr,operator]
    return model
