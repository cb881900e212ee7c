# SPDX-License-Identifier: Apache-2.0
"""The encoder against the published sizes and against the transformers package."""

import re

import pytest
import torch
from torch import Tensor, nn

from segrgbx_core.errors import ModelError
from segrgbx_core.model.encoders.mix_transformer import PRESETS, DropPath, DualMixTransformer
from segrgbx_core.model.presets import check_preset

PUBLISHED_MILLIONS = {
    "b0": 3.32,
    "b1": 13.15,
    "b2": 24.20,
    "b3": 44.07,
    "b4": 60.84,
    "b5": 81.44,
}

NAMES = (
    (r"^stages\.(\d)\.patch_embeddings\.proj", r"stages.\1.embeddings.@.proj"),
    (r"^stages\.(\d)\.patch_embeddings\.layer_norm", r"stages.\1.embeddings.@.norm"),
    (r"^stages\.(\d)\.layer_norm", r"stages.\1.norms.@"),
    (r"^stages\.(\d)\.blocks\.", r"stages.\1.blocks.#."),
    (r"layernorm_before", "norm1"),
    (r"layernorm_after", "norm2"),
    (r"attention\.q_proj", "attn.q"),
    (r"attention\.o_proj", "attn.proj"),
    (r"attention\.sequence_reduction\.sequence_reduction", "attn.reduce"),
    (r"attention\.sequence_reduction\.layer_norm", "attn.reduce_norm"),
    (r"dwconv\.dwconv", "dwconv"),
)


def _both_streams(source: dict[str, Tensor], shared: bool) -> dict[str, Tensor]:
    """The transformers package's tensors under this encoder's names, for both streams."""
    renamed = {}
    for key, value in source.items():
        if ".v_proj." in key:
            continue
        if ".k_proj." in key:
            value = torch.cat((value, source[key.replace(".k_proj.", ".v_proj.")]))
            key = key.replace("attention.k_proj", "attn.kv")
        for pattern, replacement in NAMES:
            key = re.sub(pattern, replacement, key)
        for stream in "01":
            own = key.replace("@", stream).replace("#", "0" if shared else stream)
            renamed[own] = value
    return renamed


def _run(encoder: DualMixTransformer, rgb: Tensor, x: Tensor) -> list[tuple[Tensor, Tensor]]:
    maps = []
    for stage in encoder.stages:
        rgb, x = stage(rgb, x)
        maps.append((rgb, x))
    return maps


@pytest.mark.parametrize("preset", PRESETS)
def test_parameters_of_one_stream_are_the_published_ones(preset: str) -> None:
    with torch.device("meta"):
        encoder = DualMixTransformer(PRESETS[preset], shared=False)
    count = sum(p.numel() for p in encoder.parameters()) / 2
    assert count / 1e6 == pytest.approx(PUBLISHED_MILLIONS[preset], abs=0.005)


@pytest.mark.parametrize(("preset", "shared"), [("b0", True), ("b0", False), ("b2", True)])
def test_maps_equal_those_of_the_transformers_package(preset: str, shared: bool) -> None:
    transformers = pytest.importorskip("transformers")
    torch.manual_seed(0)
    spec = PRESETS[preset]
    config = transformers.SegformerConfig(depths=list(spec.depths), hidden_sizes=list(spec.widths))
    reference = transformers.SegformerModel(config).eval()
    with torch.no_grad():
        for name, parameter in reference.named_parameters():
            parameter.normal_(1.0 if name.endswith("norm.weight") else 0.0, 0.1)
    for module in reference.modules():
        if isinstance(module, nn.LayerNorm):
            module.eps = 1e-6
    encoder = DualMixTransformer(spec, shared).eval()
    encoder.load_state_dict(_both_streams(reference.state_dict(), shared), strict=True)
    rgb, x = torch.randn(2, 1, 3, 64, 96)
    with torch.no_grad():
        mine = _run(encoder, rgb, x)
        for stream, image in enumerate((rgb, x)):
            theirs = reference(image, output_hidden_states=True).hidden_states
            for level in range(4):
                assert mine[level][stream].shape == theirs[level].shape
                torch.testing.assert_close(mine[level][stream], theirs[level], atol=1e-4, rtol=0.0)


def test_widths_and_strides_are_those_of_the_maps() -> None:
    encoder = DualMixTransformer(PRESETS["b0"], shared=True)
    image = torch.zeros(1, 3, 64, 96)
    for maps, width, stride in zip(
        _run(encoder, image, image), encoder.widths, encoder.strides, strict=True
    ):
        assert maps[0].shape == maps[1].shape == (1, width, 64 // stride, 96 // stride)


def test_drop_path_rates_grow_linearly_to_a_tenth() -> None:
    encoder = DualMixTransformer(PRESETS["b0"], shared=True)
    rates = [m.rate for m in encoder.modules() if isinstance(m, DropPath)]
    assert rates == pytest.approx([0.1 * i / 7 for i in range(8)])


def test_drop_path_keeps_the_mean_and_leaves_evaluation_alone() -> None:
    torch.manual_seed(0)
    ones = torch.ones(4000, 2, 3)
    drop = DropPath(0.25)
    kept = drop(ones)
    assert kept.unique().tolist() == pytest.approx([0.0, 1 / 0.75])
    assert kept.mean().item() == pytest.approx(1.0, abs=0.05)
    assert (kept.flatten(1).std(1) == 0).all()
    assert torch.equal(drop.eval()(ones), ones)


def test_unknown_preset_is_refused_in_words() -> None:
    with pytest.raises(ModelError, match=r"'b6' is unknown; .*b0, b1, .*b5"):
        check_preset("b6")
