# SPDX-License-Identifier: Apache-2.0
"""The encoder built on timm's Pyramid Vision Transformer v2, sizes b0 to b5.

Its public weights may be used commercially; those of Mix Transformer may not. The stages follow
the paper (Wang et al., 2022, arXiv 2106.13797, table 1): patch embeddings and last norms have the
form of Mix Transformer's, the blocks are timm's.
"""

from dataclasses import dataclass

from torch import Tensor, nn

from segrgbx_core.errors import ModelError
from segrgbx_core.model.encoders.interface import DualEncoder, Four, drop_path_rates
from segrgbx_core.model.encoders.mix_transformer import (
    DROP_PATH,
    NORM_EPS,
    DualStage,
    patch_embedding,
)


@dataclass(frozen=True)
class PyramidTransformerSpec:
    """Four entries each: channel widths, blocks, heads, reduction of keys, MLP ratios."""

    widths: Four
    depths: Four
    mlp_ratios: Four = (8, 8, 4, 4)
    heads: Four = (1, 2, 5, 8)
    reductions: Four = (8, 4, 2, 1)


_WIDE = (64, 128, 320, 512)
PYRAMID_PRESETS: dict[str, PyramidTransformerSpec] = {
    "pvt_v2_b0": PyramidTransformerSpec((32, 64, 160, 256), (2, 2, 2, 2)),
    "pvt_v2_b1": PyramidTransformerSpec(_WIDE, (2, 2, 2, 2)),
    "pvt_v2_b2": PyramidTransformerSpec(_WIDE, (3, 4, 6, 3)),
    "pvt_v2_b3": PyramidTransformerSpec(_WIDE, (3, 4, 18, 3)),
    "pvt_v2_b4": PyramidTransformerSpec(_WIDE, (3, 8, 27, 3)),
    "pvt_v2_b5": PyramidTransformerSpec(_WIDE, (3, 6, 40, 3), (4, 4, 4, 4)),
}


class PyramidStage(DualStage):
    """A Mix Transformer stage with blocks that take the map's size as one pair."""

    def _run(self, column: int, tokens: Tensor, height: int, width: int) -> Tensor:
        blocks = self.blocks[column]
        assert isinstance(blocks, nn.ModuleList)
        for block in blocks:
            tokens = block(tokens, (height, width))
        return tokens


class DualPyramidTransformer(DualEncoder):
    """Pyramid Vision Transformer v2 stages; see `DualEncoder`.

    shared, shared_embeddings: as in DualMixTransformer.
    Raises ModelError where timm is not installed.
    """

    def __init__(
        self, spec: PyramidTransformerSpec, shared: bool, shared_embeddings: bool = False
    ) -> None:
        columns, ends = 1 if shared else 2, 1 if shared_embeddings else 2
        rates = drop_path_rates(spec.depths, DROP_PATH)
        stages = [
            PyramidStage(
                [patch_embedding(spec.widths, i) for _ in range(ends)],
                [[_block(spec, i, rate) for rate in rates[i]] for _ in range(columns)],
                [nn.LayerNorm(spec.widths[i], eps=NORM_EPS) for _ in range(ends)],
            )
            for i in range(4)
        ]
        super().__init__(spec.widths, spec.heads, stages)


def _block(spec: PyramidTransformerSpec, stage: int, drop_path: float) -> nn.Module:
    try:
        from timm.models.pvt_v2 import Block
    except ImportError as err:
        raise ModelError(
            "The presets pvt_v2_b0 to pvt_v2_b5 need the package timm, which is not installed; "
            "install it with `pip install timm`, or choose one of b0 to b5."
        ) from err
    block: nn.Module = Block(
        dim=spec.widths[stage],
        num_heads=spec.heads[stage],
        mlp_ratio=spec.mlp_ratios[stage],
        sr_ratio=spec.reductions[stage],
        qkv_bias=True,
        drop_path=drop_path,
    )
    return block
