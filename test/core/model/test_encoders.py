# SPDX-License-Identifier: Apache-2.0
"""The encoder's interface for every preset, and the message where timm is missing."""

import sys

import pytest
import torch

from segrgbx_core.errors import ModelError
from segrgbx_core.model import build_model
from segrgbx_core.model.encoders.mix_transformer import DropPath
from segrgbx_core.model.presets import ALL_PRESETS, build_encoder, check_preset

# Of timm's classifiers without their last layer, (widths[3] + 1) * 1000 parameters.
TIMM_PARAMETERS = {"pvt_v2_b0": 3_666_760, "pvt_v2_b2": 25_362_856, "pvt_v2_b5": 81_956_008}


def _needs_timm(preset: str) -> None:
    if preset.startswith("pvt"):
        pytest.importorskip("timm", reason="timm is not installed; it comes with the extra clip")


@pytest.mark.parametrize("preset", ALL_PRESETS)
def test_maps_have_the_widths_and_strides_it_tells(preset: str) -> None:
    _needs_timm(preset)
    with torch.device("meta"):
        encoder = build_encoder(preset, shared=True, shared_embeddings=False)
        rgb = x = torch.empty(1, 3, 64, 96)
        maps = []
        for stage in encoder.stages:
            rgb, x = stage(rgb, x)
            maps.append((rgb, x))
    for (first, second), width, stride, heads in zip(
        maps, encoder.widths, encoder.strides, encoder.heads, strict=True
    ):
        assert first.shape == second.shape == (1, width, 64 // stride, 96 // stride)
        assert width % heads == 0


@pytest.mark.parametrize(("preset", "count"), TIMM_PARAMETERS.items())
def test_one_stream_has_the_parameters_of_timms_model(preset: str, count: int) -> None:
    timm = pytest.importorskip("timm")
    with torch.device("meta"):
        encoder = build_encoder(preset, shared=False, shared_embeddings=False)
    reference = timm.create_model(preset, pretrained=False)
    assert sum(p.numel() for p in reference.parameters()) == count
    last = (encoder.widths[3] + 1) * 1000
    assert sum(p.numel() for p in encoder.parameters()) == 2 * (count - last)


def test_one_stream_of_lite0_has_timms_parameters_up_to_its_last_block() -> None:
    timm = pytest.importorskip("timm")
    with torch.device("meta"):
        encoder = build_encoder("efficientnet_lite0", shared=False, shared_embeddings=False)
    reference = timm.create_model("tf_efficientnet_lite0")
    parts = (reference.conv_stem, reference.bn1, reference.blocks)
    count = sum(p.numel() for part in parts for p in part.parameters())
    assert sum(p.numel() for p in encoder.parameters()) == 2 * count


def test_each_stream_of_lite0_has_its_own_norms_unless_they_are_shared() -> None:
    pytest.importorskip("timm")
    encoder = build_encoder("efficientnet_lite0", shared=True, shared_embeddings=False)
    one = build_encoder("efficientnet_lite0", shared=True, shared_embeddings=True)
    rgb, x = torch.randn(2, 2, 3, 64, 64) + torch.tensor([0.0, 5.0])[:, None, None, None, None]
    encoder.train()
    encoder.stages[0](rgb, x)
    norm = encoder.stages[0].get_submodule("blocks.0.0.bn1")
    first, second = (child.running_mean for child in norm.get_submodule("norms").children())
    assert isinstance(first, torch.Tensor)
    assert isinstance(second, torch.Tensor)
    assert not torch.equal(first, second)
    streams = one.stages[0].get_submodule("blocks.0.0.bn1.norms")
    assert len(list(streams.children())) == 1


def test_shared_embeddings_save_one_set_of_them() -> None:
    with torch.device("meta"):
        own = build_model("b0", 3)
        one = build_model("b0", 3, shared_embeddings=True)
    saved = sum(p.numel() for p in own.parameters()) - sum(p.numel() for p in one.parameters())
    # Embeddings: in * out * k * k + 3 * out (bias and norm); last norms: 2 * out.
    expected = 0
    for width, wide, kernel in ((3, 32, 7), (32, 64, 3), (64, 160, 3), (160, 256, 3)):
        expected += width * wide * kernel**2 + 3 * wide + 2 * wide
    assert saved == expected


def test_drop_path_reaches_timms_blocks() -> None:
    _needs_timm("pvt_v2_b0")
    encoder = build_encoder("pvt_v2_b0", shared=True, shared_embeddings=False)
    rates = [
        getattr(block.drop_path1, "drop_prob", 0.0)
        for stage in encoder.stages
        for block in stage.blocks[0]
    ]
    assert rates == pytest.approx([0.1 * i / 7 for i in range(8)])
    assert not any(isinstance(m, DropPath) for m in encoder.modules())


def test_without_timm_one_sentence_names_the_way_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "timm.models.pvt_v2", None)
    with pytest.raises(ModelError, match=r"package timm, .*pip install timm.* b0 to b5"):
        build_model("pvt_v2_b0")


def test_lite_needs_no_timm(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "timm", None)
    assert build_model("efficientnet_lite0").encoder.widths == (24, 40, 112, 320)


def test_unknown_presets_list_both_families() -> None:
    with pytest.raises(ModelError, match=r"'pvt_b9' is unknown; .*b0, .*pvt_v2_b5"):
        check_preset("pvt_b9")
