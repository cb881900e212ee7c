# SPDX-License-Identifier: Apache-2.0
"""Which preset weights are of, told from their sizes, for errors that say what was met."""

import re
from collections.abc import Mapping

from torch import Tensor

from segrgbx_core.model.mix_transformer import PRESETS
from segrgbx_core.model.pyramid_transformer import PYRAMID_PRESETS

_BLOCK = re.compile(r"encoder\.stages\.(\d)\.blocks\.0\.(\d+)\.")
_WIDTH = re.compile(r"encoder\.stages\.(\d)\.embeddings\.0\.proj\.bias$")
_FIRST_MLP = "encoder.stages.0.blocks.0.0.mlp.fc1.weight"


def presets_like(tensors: Mapping[str, Tensor]) -> tuple[str, ...]:
    """Presets of these widths, depths and first MLP ratio; none, one or, rarely, two.

    tensors: an encoder's under this project's names; others among them do not matter.
    """
    depths, widths, ratio = [0] * 4, [0] * 4, 0
    for name, tensor in tensors.items():
        block, width = _BLOCK.match(name), _WIDTH.match(name)
        if block:
            stage = int(block[1])
            depths[stage] = max(depths[stage], int(block[2]) + 1)
        if width:
            widths[int(width[1])] = tensor.shape[0]
        if name == _FIRST_MLP and tensor.ndim == 2:
            ratio = tensor.shape[0] // tensor.shape[1]
    known = {name: (s.widths, s.depths, s.mlp_ratio) for name, s in PRESETS.items()}
    known |= {name: (s.widths, s.depths, s.mlp_ratios[0]) for name, s in PYRAMID_PRESETS.items()}
    met = (tuple(widths), tuple(depths), ratio)
    return tuple(name for name, sizes in known.items() if sizes == met)


def sizes_of_another(tensors: Mapping[str, Tensor], preset: str) -> str:
    """A part of a sentence that names the preset these sizes are of, empty for `preset` itself
    and for sizes of none."""
    alike = presets_like(tensors)
    if not alike or preset in alike:
        return ""
    return f", whose sizes are those of {' or '.join(alike)}"
