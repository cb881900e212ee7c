# SPDX-License-Identifier: Apache-2.0
"""Other projects' checkpoints: their names, their numerics, and what is refused."""

import hashlib
import re
from collections.abc import Callable, Iterator
from copy import deepcopy
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from segrgbx_core.errors import ModelError
from segrgbx_core.labels.label_set import LabelClass, LabelSet
from segrgbx_core.model import ModelConfig, SegRgbX, build_model
from segrgbx_core.weights.card import ModelCard
from segrgbx_core.weights.checkpoint_file import read_checkpoint
from segrgbx_core.weights.importing import import_weights
from segrgbx_core.weights.pretrained import PRETRAINED
from segrgbx_core.weights.store import load_model, save_model

State = dict[str, Tensor]
CmxNames = Callable[[SegRgbX, str, str], State]


def _model(preset: str = "b0", classes: int = 3, **settings: bool) -> SegRgbX:
    torch.manual_seed(41)
    return build_model(preset, classes, head_width=16, **settings).eval()


def _scrambled(model: nn.Module) -> nn.Module:
    """Weights and statistics of which no two are alike, small enough to stay in range."""
    torch.manual_seed(43)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.normal_(0.0, 0.1)
        for buffer in model.buffers():
            if buffer.is_floating_point():
                buffer.uniform_(0.5, 1.5)
    return model


def _maps(model: SegRgbX, rgb: Tensor, x: Tensor) -> list[tuple[Tensor, Tensor]]:
    maps = []
    for stage in model.encoder.stages:
        rgb, x = stage(rgb, x)
        maps.append((rgb, x))
    return maps


@pytest.fixture(scope="module")
def segformer() -> nn.Module:
    transformers = pytest.importorskip("transformers")
    reference = transformers.SegformerForSemanticSegmentation(transformers.SegformerConfig())
    return _scrambled(reference).eval()


def _original_names(face: State) -> State:
    """The Hugging Face package's tensors under the names of SegFormer's own repository."""
    state: State = {}
    for name, value in face.items():
        if not name.startswith("segformer.") or ".v_proj." in name:
            continue
        stage = int(name.split(".")[2]) + 1
        rest = name.split(".", 3)[3]
        if ".k_proj." in rest:
            value = torch.cat((value, face[name.replace(".k_proj.", ".v_proj.")]))
        rest = rest.replace("patch_embeddings.", f"patch_embed{stage}.")
        rest = rest.replace(f"patch_embed{stage}.layer_norm.", f"patch_embed{stage}.norm.")
        rest = re.sub(r"^layer_norm\.", f"norm{stage}.", rest)
        rest = rest.replace("blocks.", f"block{stage}.")
        rest = rest.replace("layernorm_before", "norm1").replace("layernorm_after", "norm2")
        rest = rest.replace("attention.q_proj", "attn.q").replace("attention.k_proj", "attn.kv")
        rest = rest.replace("attention.o_proj", "attn.proj")
        rest = rest.replace("attention.sequence_reduction.sequence_reduction", "attn.sr")
        rest = rest.replace("attention.sequence_reduction.layer_norm", "attn.norm")
        state[rest] = value
    return state


def _pairs() -> Iterator[tuple[Tensor, Tensor]]:
    """RGB with X as it is, half invalid and absent; invalid X is 0, where epsilons decide."""
    torch.manual_seed(44)
    rgb, x = torch.randn(2, 1, 3, 64, 96)
    half = x.clone()
    half[..., :48] = 0.0
    yield from ((rgb, x), (rgb, half), (rgb, torch.zeros_like(x)))


def _check_against(segformer: nn.Module, model: SegRgbX) -> None:
    for pair in _pairs():
        with torch.no_grad():
            mine = _maps(model, *pair)
            for stream, image in enumerate(pair):
                theirs = segformer.segformer(image, output_hidden_states=True).hidden_states
                for level in range(4):
                    torch.testing.assert_close(
                        mine[level][stream], theirs[level], atol=1e-4, rtol=0.0
                    )


def _as_original(segformer: nn.Module) -> nn.Module:
    """With the epsilons of SegFormer's own repository, which gives only some of its norms one."""
    original = deepcopy(segformer)
    for name, module in original.named_modules():
        if isinstance(module, nn.LayerNorm) and not re.search("patch_emb|sequence_red", name):
            module.eps = 1e-6
    return original


@pytest.mark.parametrize("shared", [True, False])
@pytest.mark.parametrize("prefix", ["", "backbone.", "module.backbone."])
def test_original_names_fill_both_streams(segformer: nn.Module, shared: bool, prefix: str) -> None:
    state = {prefix + k: v for k, v in _original_names(segformer.state_dict()).items()}
    assert f"{prefix}block1.0.attn.q.weight" in state
    state[f"{prefix}head.weight"] = torch.zeros(1000, 256)
    model = _model(shared_blocks=shared)
    report = import_weights(model, state)
    _check_against(_as_original(segformer), model)
    assert report.layout == "a SegFormer checkpoint with the original names"
    assert len(report.taken) == len(state) - 1
    assert [entry.name for entry in report.left_over] == [f"{prefix}head.weight"]
    assert {name.split(".")[0] for name in report.missing} == {"frm", "ffm", "head"}
    first = next(t for t in report.taken if t.name.endswith("block1.0.attn.q.weight"))
    both = ("encoder.stages.0.blocks.0.0.attn.q.weight",)
    if not shared:
        both += ("encoder.stages.0.blocks.1.0.attn.q.weight",)
    assert first.own == both


def test_hugging_face_state_and_file_fill_both_streams(
    segformer: nn.Module, tmp_path: Path
) -> None:
    model = _model()
    import_weights(model, segformer.state_dict())
    _check_against(segformer, model)
    # The package writes files under the names of its first releases.
    segformer.save_pretrained(tmp_path)
    from_file = _model()
    report = import_weights(from_file, tmp_path / "model.safetensors")
    _check_against(segformer, from_file)
    assert any(".attention.self.query." in entry.name for entry in report.taken)
    assert all(entry.name.startswith("decode_head.") for entry in report.left_over)
    assert "one stream" in report.text()


def test_one_embedding_for_both_streams(segformer: nn.Module) -> None:
    model = _model(shared_embeddings=True)
    import_weights(model, segformer.state_dict())
    _check_against(segformer, model)


@pytest.mark.parametrize("shared", [True, False])
def test_timm_weights_give_timm_maps(shared: bool) -> None:
    timm = pytest.importorskip("timm")
    reference = _scrambled(timm.create_model("pvt_v2_b0", pretrained=False)).eval()
    model = _model("pvt_v2_b0", shared_blocks=shared)
    report = import_weights(model, reference.state_dict())
    assert [entry.name for entry in report.left_over] == ["head.weight", "head.bias"]
    rgb, x = torch.randn(2, 1, 3, 64, 96)
    with torch.no_grad():
        mine = _maps(model, rgb, x)
        for stream, image in enumerate((rgb, x)):
            theirs = reference.forward_intermediates(image, intermediates_only=True)
            for level in range(4):
                torch.testing.assert_close(mine[level][stream], theirs[level], atol=1e-4, rtol=0.0)


# The original's names of a block's parts, in the order in which both have their tensors.
LITE_FIRST = {
    "conv_dw": "_depthwise_conv",
    "bn1": "_bn1",
    "conv_pw": "_project_conv",
    "bn2": "_bn2",
}
LITE_FURTHER = {
    "conv_pw": "_expand_conv",
    "bn1": "_bn0",
    "conv_dw": "_depthwise_conv",
    "bn2": "_bn1",
    "conv_pwl": "_project_conv",
    "bn3": "_bn2",
}


def _original_lite_names(state: State) -> State:
    """timm's EfficientNet-Lite under the names of the package that brings its weights."""
    tops = {"conv_stem": "_conv_stem", "bn1": "_bn0", "conv_head": "_conv_head", "bn2": "_bn1",
            "classifier": "_fc"}  # fmt: skip
    blocks = list(dict.fromkeys(".".join(n.split(".")[:3]) for n in state if n[0:6] == "blocks"))
    renamed: State = {}
    for name, tensor in state.items():
        parts = name.split(".")
        if parts[0] != "blocks":
            renamed[".".join([tops[parts[0]], *parts[1:]])] = tensor
            continue
        inner = (LITE_FIRST if parts[1] == "0" else LITE_FURTHER)[parts[3]]
        number = blocks.index(".".join(parts[:3]))
        renamed[".".join([f"_blocks.{number}", inner, *parts[4:]])] = tensor
    return renamed


@pytest.mark.parametrize("original", [True, False])
@pytest.mark.parametrize(
    ("size", "settings"),
    [
        (0, (True, False)),
        (0, (True, True)),
        (0, (False, False)),
        (1, (True, False)),
        (2, (True, False)),
    ],
)
def test_efficient_net_weights_give_its_maps(
    original: bool, size: int, settings: tuple[bool, bool]
) -> None:
    timm = pytest.importorskip("timm")
    reference = _scrambled(timm.create_model(f"tf_efficientnet_lite{size}")).eval()
    shared_blocks, shared_embeddings = settings
    model = _model(
        f"efficientnet_lite{size}",
        shared_blocks=shared_blocks,
        shared_embeddings=shared_embeddings,
    )
    state = reference.state_dict()
    report = import_weights(model, _original_lite_names(state) if original else state)
    assert len(report.left_over) == 8
    assert {name.split(".")[0] for name in report.missing} == {"frm", "ffm", "head"}
    rgb, x = torch.randn(2, 1, 3, 64, 96)
    with torch.no_grad():
        mine = _maps(model, rgb, x)
        for stream, image in enumerate((rgb, x)):
            theirs = reference.forward_intermediates(image, intermediates_only=True)
            for level in range(4):
                expected = theirs[level + 1]
                torch.testing.assert_close(mine[level][stream], expected, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize(("given", "size"), [(1, 0), (0, 2), (2, 1)])
def test_a_file_of_another_lite_is_refused_with_both_checksums(
    tmp_path: Path, given: int, size: int
) -> None:
    timm = pytest.importorskip("timm")
    path, name = tmp_path / "lite.pth", f"efficientnet_lite{size}"
    torch.save(timm.create_model(f"tf_efficientnet_lite{given}").state_dict(), path)
    met = hashlib.sha256(path.read_bytes()).hexdigest()
    known = PRETRAINED[name].sha256
    told = rf"sha256 {met}, and {name}'s weights have {known}; .* preset"
    with pytest.raises(ModelError, match=told):
        import_weights(_model(name), path)


def test_rectification_without_weights_begins_closed(mit_b0: State) -> None:
    model = _model()
    rgb, x = torch.randn(2, 1, 32, 8, 8)
    shares = []
    for _ in range(2):
        with torch.no_grad():
            mixed, _ = model.frm[0](rgb, x)
        shares.append(float((mixed - rgb).norm() / x.norm()))
        import_weights(model, mit_b0)
    assert shares[0] > 0.4
    assert shares[1] < 0.03


def test_a_cmx_checkpoint_fills_the_whole_model(tmp_path: Path, cmx_names: CmxNames) -> None:
    source = _of_cmx((1e-5, 1e-6, 1e-3))
    state = cmx_names(source, "0", "1")
    # CMX's fusing convolution has a bias; here it moves into the mean of the norm behind it.
    bias = torch.linspace(-1, 1, 16)
    state["decode_head.linear_fuse.0.bias"] = bias
    state["decode_head.linear_fuse.1.running_mean"] = source.head.norm.running_mean + bias
    state["aux_head.conv.weight"] = torch.zeros(1)
    path = tmp_path / "epoch-last.pth"
    torch.save({"model": state, "epoch": 500, "optimizer": {"lr": 0.1}}, path)
    model = build_model("b0", 3, shared_blocks=False, head_width=16).eval()
    report = import_weights(model, path)
    assert report.layout == "a CMX-style checkpoint"
    assert report.missing == ()
    assert [entry.name for entry in report.left_over] == ["aux_head.conv.weight"]
    _check_equal(model, source)


def _of_cmx(epsilons: tuple[float, float, float]) -> SegRgbX:
    """CMX with those epsilons and with variances in the head's norm from tiny to huge."""
    torch.manual_seed(41)
    config = ModelConfig("b0", 3, (), False, 16, norm_epsilons=epsilons)
    source = SegRgbX(config).eval()
    _scrambled(source)
    with torch.no_grad():
        source.head.norm.running_var.copy_(torch.logspace(-4, 4, 16))
        source.head.norm.running_mean.copy_(torch.linspace(-100, 100, 16))
    return source


def _check_equal(model: SegRgbX, source: SegRgbX) -> None:
    for rgb, x in _pairs():
        with torch.no_grad():
            mine, theirs = (m(rgb, x, "depth") for m in (model, source))
        torch.testing.assert_close(mine, theirs, atol=1e-4, rtol=1e-4)


def test_delivers_cmx_has_other_epsilons(cmx_names: CmxNames) -> None:
    source = _of_cmx((1e-5, 1e-5, 1e-5))
    state = cmx_names(source, "conv", "bn")
    model = _model(shared_blocks=False)
    report = import_weights(model, state)
    assert report.layout == "a CMX-style checkpoint of DELIVER"
    _check_equal(model, source)
    # With the epsilons of CMX's own code the answer without X would be another.
    rgb, x = list(_pairs())[-1]
    with torch.no_grad():
        right = model(rgb, x, "depth")
        model.set_norm_epsilons((1e-5, 1e-6, 1e-3))
        wrong = model(rgb, x, "depth")
    assert (right - wrong).abs().max() > 1e-2


def test_the_epsilons_are_kept_with_the_weights(tmp_path: Path, cmx_names: CmxNames) -> None:
    source = _of_cmx((1e-5, 1e-5, 1e-5))
    model = _model(shared_blocks=False)
    import_weights(model, cmx_names(source, "conv", "bn"))
    classes = tuple(LabelClass(f"class_{i}", (i, i, i)) for i in range(3))
    card = ModelCard("imported", "For a test.", model.config, ("depth",), LabelSet("t", classes))
    save_model(tmp_path, model, card, torch.float32)
    loaded = load_model(tmp_path).model
    assert loaded.config.norm_epsilons == (1e-5, 1e-5, 1e-5)
    _check_equal(loaded, source)


def test_a_cmnext_checkpoint_fills_all_but_its_own_blocks(cmx_names: CmxNames) -> None:
    source = _model(shared_blocks=False)
    _scrambled(source)
    state = {k: v for k, v in cmx_names(source, "conv", "bn").items() if ".extra_" not in k}
    own = [
        "backbone.extra_downsample_layers.0.proj.module.weight",
        "backbone.extra_block1.0.norm1.weight",
        "backbone.extra_norm1.ln_0.weight",
        "backbone.extra_score_predictor.0.0.weight",
    ]
    state |= dict.fromkeys(own, torch.zeros(2))
    model = _model(shared_blocks=False)
    report = import_weights(model, state)
    assert report.missing == ()
    assert [entry.name for entry in report.left_over] == own
    filled, wanted = model.state_dict(), source.state_dict()
    for name, value in filled.items():
        from_rgb = re.sub(r"^(encoder\.stages\.\d\.\w+)\.1\.", r"\1.0.", name)
        assert torch.equal(value, wanted[from_rgb]), name


@pytest.fixture
def mit_b0(segformer: nn.Module) -> State:
    return _original_names(segformer.state_dict())


def test_refusals_leave_the_model_as_it_was(mit_b0: State) -> None:
    model = _model()
    before = {k: v.clone() for k, v in model.state_dict().items()}
    del mit_b0["norm4.bias"]
    with pytest.raises(ModelError, match=r"lacks 2 tensors .*encoder\.stages\.3\.norms\.0\.bias"):
        import_weights(model, mit_b0)
    assert all(torch.equal(value, before[key]) for key, value in model.state_dict().items())


def test_a_tensor_without_a_place_is_refused(mit_b0: State) -> None:
    mit_b0["block1.0.attn.temperature"] = torch.zeros(1)
    with pytest.raises(ModelError, match=r"1 tensors .*attn\.temperature"):
        import_weights(_model(), mit_b0)


def test_another_preset_is_named(mit_b0: State) -> None:
    with torch.device("meta"):
        larger = build_model("b2", 3)
    with pytest.raises(ModelError, match=r"lacks 156 tensors .* of b0;"):
        import_weights(larger, mit_b0)
    with torch.device("meta"):
        wider = build_model("b1", 3)
    with pytest.raises(ModelError, match=r"\(64,\) for .*kv\.bias.* of b0"):
        import_weights(wider, mit_b0)
    deeper = {k.replace("1.1.", "1.2."): v for k, v in mit_b0.items() if k.startswith("block1.1")}
    with pytest.raises(ModelError, match=r"without a place .*blocks\.0\.2\."):
        import_weights(_model(), mit_b0 | deeper)


def test_values_that_are_not_numbers_are_refused(mit_b0: State) -> None:
    mit_b0["norm1.weight"] = torch.full((32,), float("nan"))
    with pytest.raises(ModelError, match=r"stages\.0\.norms\.0\.weight .*not finite"):
        import_weights(_model(), mit_b0)


def test_two_tensors_for_one_place_are_refused(mit_b0: State) -> None:
    mit_b0["module.norm1.weight"] = mit_b0["norm1.weight"]
    with pytest.raises(ModelError, match=r"two tensors for .*norms\.0\.weight"):
        import_weights(_model(), mit_b0)


def test_a_whole_model_needs_the_same_architecture(cmx_names: CmxNames) -> None:
    state = cmx_names(_model(shared_blocks=False), "0", "1")
    with pytest.raises(ModelError, match="shared_blocks=False"):
        import_weights(_model(), state)
    with pytest.raises(ModelError, match="number of classes"):
        import_weights(_model(classes=4, shared_blocks=False), state)


def test_unknown_names_are_refused() -> None:
    with pytest.raises(ModelError, match=r"\(conv1\.weight\) .*no known layout"):
        import_weights(_model(), {"conv1.weight": torch.zeros(1)})


def test_files_that_hold_no_tensors_are_refused_in_words(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="does not exist"):
        read_checkpoint(tmp_path / "none.pth")
    with pytest.raises(ModelError, match="is a folder"):
        read_checkpoint(tmp_path)
    bad = tmp_path / "bad.safetensors"
    bad.write_bytes(b"not that")
    with pytest.raises(ModelError, match="not a safetensors"):
        read_checkpoint(bad)
    bad = tmp_path / "bad.pth"
    for content in (b"", b"PK\x03\x04 cut", b"text"):
        bad.write_bytes(content)
        with pytest.raises(ModelError, match=r"damaged|cannot be read"):
            read_checkpoint(bad)
    torch.save({"epoch": 3}, bad)
    with pytest.raises(ModelError, match="no mapping"):
        read_checkpoint(bad)
    torch.save({"state_dict": {"a": torch.zeros(1)}, "meta": Path()}, bad)
    with pytest.raises(ModelError, match="Python objects"):
        read_checkpoint(bad)
    save_file({"a": torch.ones(2)}, tmp_path / "good.safetensors")
    assert read_checkpoint(tmp_path / "good.safetensors")["a"].tolist() == [1.0, 1.0]


@pytest.mark.parametrize("zipped", [True, False])
def test_a_checkpoint_states_no_more_than_it_holds(tmp_path: Path, zipped: bool) -> None:
    path = tmp_path / "a.pth"
    torch.save(
        {"a": torch.ones(3, 4), "b": torch.ones(1).expand(10**12)},
        path,
        _use_new_zipfile_serialization=zipped,
    )
    with pytest.raises(ModelError, match=r"a tensor states shape \(1000000000000,\)"):
        read_checkpoint(path)


def test_an_old_checkpoint_takes_no_memory_for_what_its_pickle_states(tmp_path: Path) -> None:
    path = tmp_path / "a.pth"
    torch.save({"a": torch.ones(588)}, path, _use_new_zipfile_serialization=False)
    data = path.read_bytes()
    assert read_checkpoint(path)["a"].shape == (588,)
    # BININT2 588 and None, as the storage's tuple has them, to BININT of two thousand million.
    large = data.replace(b"ML\x02N", b"J\xff\xff\xff\x7fN", 1)
    assert large != data
    path.write_bytes(large)
    with pytest.raises(ModelError, match="a storage states 2147483647 elements"):
        read_checkpoint(path)
    path.write_bytes(b"version https://git-lfs.github.com/spec/v1\noid x\n")
    with pytest.raises(ModelError, match="is a Git LFS pointer"):
        read_checkpoint(path)
