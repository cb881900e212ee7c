# SPDX-License-Identifier: Apache-2.0
"""Checkpoints as another project writes them."""

import re
from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from segrgbx_core.model import SegRgbX

State = dict[str, Tensor]

TWO_STREAM_NAMES = (
    (r"^encoder\.stages\.(\d)\.embeddings\.(\d)\.", "patch_embed"),
    (r"^encoder\.stages\.(\d)\.blocks\.(\d)\.", "block"),
    (r"^encoder\.stages\.(\d)\.norms\.(\d)\.", "norm"),
)
FUSION_NAMES = {
    r"frm\.(\d)\.channel\.": r"backbone.FRMs.\1.channel_weights.mlp.",
    r"frm\.(\d)\.spatial\.": r"backbone.FRMs.\1.spatial_weights.mlp.",
    r"ffm\.(\d)\.cross\.split\.0": r"backbone.FFMs.\1.cross.channel_proj1",
    r"ffm\.(\d)\.cross\.split\.1": r"backbone.FFMs.\1.cross.channel_proj2",
    r"ffm\.(\d)\.cross\.kv\.0": r"backbone.FFMs.\1.cross.cross_attn.kv1",
    r"ffm\.(\d)\.cross\.kv\.1": r"backbone.FFMs.\1.cross.cross_attn.kv2",
    r"ffm\.(\d)\.cross\.out\.0": r"backbone.FFMs.\1.cross.end_proj1",
    r"ffm\.(\d)\.cross\.out\.1": r"backbone.FFMs.\1.cross.end_proj2",
    r"ffm\.(\d)\.cross\.norms\.0": r"backbone.FFMs.\1.cross.norm1",
    r"ffm\.(\d)\.cross\.norms\.1": r"backbone.FFMs.\1.cross.norm2",
    r"ffm\.(\d)\.embed\.": r"backbone.FFMs.\1.channel_emb.channel_embed.",
    r"ffm\.(\d)\.residual": r"backbone.FFMs.\1.channel_emb.residual",
    r"ffm\.(\d)\.norm\.": r"backbone.FFMs.\1.channel_emb.norm.",
    r"head\.lift\.0": "decode_head.linear_c1.proj",
    r"head\.lift\.1": "decode_head.linear_c2.proj",
    r"head\.lift\.2": "decode_head.linear_c3.proj",
    r"head\.lift\.3": "decode_head.linear_c4.proj",
    r"head\.classifier": "decode_head.linear_pred",
}


def _cmx_names(model: SegRgbX, mix: str, norm: str) -> State:
    """An unshared model's tensors as CMX names and orders them."""
    state: State = {}
    for name, value in model.state_dict().items():
        for pattern, kind in TWO_STREAM_NAMES:
            found = re.match(pattern, name)
            if found:
                extra = "extra_" if found[2] == "1" else ""
                name = f"backbone.{extra}{kind}{int(found[1]) + 1}.{name[found.end() :]}"
        for pattern, theirs in FUSION_NAMES.items():
            name = re.sub(f"^{pattern}", theirs, name)
        name = name.replace(".attn.reduce.", ".attn.sr.")
        name = name.replace(".attn.reduce_norm.", ".attn.norm.")
        name = name.replace(".mlp.dwconv.", ".mlp.dwconv.dwconv.")
        name = name.replace("head.norm.", f"decode_head.linear_fuse.{norm}.")
        if name == "head.mix.weight":
            name = f"decode_head.linear_fuse.{mix}.weight"
            # Their head joins its levels from the coarsest to the finest.
            c1, c2, c3, c4 = value.chunk(4, 1)
            value = torch.cat((c4, c3, c2, c1), 1)
        state[name] = value
    assert all(name.startswith(("backbone.", "decode_head.")) for name in state)
    return state


@pytest.fixture(scope="session")
def cmx_names() -> Callable[[SegRgbX, str, str], State]:
    """Names and orders an unshared model's tensors as CMX does; mix, norm: names of the head's
    fusing convolution and of its norm."""
    return _cmx_names
