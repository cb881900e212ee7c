# SPDX-License-Identifier: Apache-2.0
"""New values of parameters."""

import torch
from torch import nn


def random_parameter(*shape: int, deviation: float = 1.0) -> nn.Parameter:
    """A parameter of normal values around 0; without values where a model is only laid out."""
    values = torch.empty(shape)
    # Random values on the meta device make torch load its compiler, half a second for nothing.
    return nn.Parameter(values if values.is_meta else torch.randn(shape) * deviation)
