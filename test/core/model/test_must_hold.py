# SPDX-License-Identifier: Apache-2.0
"""Properties of every model, over each encoder and with and without components.

The small variants and one of medium size of each family always run, the others with the slow
tests. Compiling and exporting are slow, so only few variants run, one of them always.
"""

import warnings
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor

from segrgbx_core.errors import InputError
from segrgbx_core.labels.label_set import LabelClass, LabelSet
from segrgbx_core.model import ModelConfig, SegRgbX
from segrgbx_core.model.inputs import count_not_finite, require_finite
from segrgbx_core.model.presets import ALL_PRESETS, COMPONENTS
from segrgbx_core.weights.card import ModelCard
from segrgbx_core.weights.store import load_model, save_model

Awake = Callable[[ModelConfig], SegRgbX]

BF16_ERROR = 0.05
SENSORS = ("event", "thermal", "depth", "polarization", "light_field")
OUTLINE = {"encoder", "frm", "ffm", "head"}


def _config(
    preset: str,
    components: tuple[str, ...] = (),
    shared_blocks: bool = True,
    shared_embeddings: bool = False,
) -> ModelConfig:
    return ModelConfig(preset, 5, components, shared_blocks, 16, shared_embeddings)


B0, B0_FULL = _config("b0"), _config("b0", COMPONENTS)
SMALL = [
    B0,
    B0_FULL,
    _config("b0", ("modality_embedding", "dsrm")),
    _config("b0", shared_blocks=False),
    _config("b0", COMPONENTS, shared_blocks=False, shared_embeddings=True),
    _config("pvt_v2_b0"),
    _config("pvt_v2_b0", COMPONENTS),
    _config("pvt_v2_b0", COMPONENTS, shared_blocks=False),
    _config("efficientnet_lite0"),
    _config("efficientnet_lite0", COMPONENTS),
    replace(_config("efficientnet_lite0", COMPONENTS), sensor_rank=4, reduction=2),
    _config("efficientnet_lite0", shared_embeddings=True),
]
MIDDLE = [_config("b2", COMPONENTS), _config("pvt_v2_b2", COMPONENTS)]
LARGE = [
    *(_config(p, COMPONENTS) for p in ALL_PRESETS if not p.endswith(("b0", "b2", "lite0"))),
    _config("b2", shared_blocks=False),
]


def _slow(configs: list[ModelConfig]) -> list[object]:
    return [pytest.param(config, marks=pytest.mark.slow) for config in configs]


def _name(config: ModelConfig) -> str:
    parts = [config.preset, *config.components] if config.components else [config.preset]
    if config.components == COMPONENTS:
        parts = [config.preset, "full"]
    parts += [] if config.shared_blocks else ["unshared"]
    parts += ["sensor_paths"] if config.sensor_rank else []
    return "-".join(parts + (["one_embedding"] if config.shared_embeddings else []))


EVERY = [*SMALL, *MIDDLE, *_slow(LARGE)]
# These take seconds to minutes each, so a few variants together cover every kind of part.
SAMPLED = [B0, SMALL[2], SMALL[4], SMALL[7], SMALL[9], SMALL[10], MIDDLE[0]]
COSTLY = pytest.mark.parametrize("model", [B0_FULL, *_slow(SAMPLED)], indirect=True, ids=_name)
SMALL_ALONE = pytest.mark.parametrize("model", SMALL, indirect=True, ids=_name)


@pytest.fixture(scope="module", params=EVERY, ids=_name)
def model(request: pytest.FixtureRequest, awake: Awake) -> SegRgbX:
    config: ModelConfig = request.param
    if config.preset.startswith("pvt"):
        pytest.importorskip("timm", reason="timm is not installed; it comes with the extra clip")
    return awake(config)


def _pair(batch: int, height: int = 64, width: int = 96) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(height * width)
    rgb, x = torch.randn(2, batch, 3, height, width, generator=generator)
    return rgb, x


@pytest.mark.parametrize("size", [(64, 96), (31, 63), (33, 65), (1, 40), (7, 5)])
def test_logits_have_the_input_size(model: SegRgbX, size: tuple[int, int]) -> None:
    rgb, x = _pair(1, *size)
    with torch.no_grad():
        logits = model(rgb, x, "thermal")
        alone = model(rgb, None)
    assert logits.shape == alone.shape == (1, 5, *size)
    assert torch.isfinite(logits).all()
    assert torch.isfinite(alone).all()


def test_padding_is_below_and_right_and_cropped_away(model: SegRgbX) -> None:
    rgb, x = _pair(1, 50, 70)
    wide, wide_x = (torch.nn.functional.pad(v, (0, 26, 0, 14)) for v in (rgb, x))
    # The scene is embedded before padding, so both calls get the same embedding.
    scene = model.embed_scene(rgb, x, "thermal") if model.config.components else None
    with torch.no_grad():
        torch.testing.assert_close(
            model(rgb, x, "thermal", scene=scene),
            model(wide, wide_x, "thermal", scene=scene)[:, :, :50, :70],
        )


def test_equal_samples_of_a_batch_get_equal_logits(model: SegRgbX) -> None:
    rgb, x = _pair(1)
    with torch.no_grad():
        one = model(rgb, x, "thermal")
        three = model(rgb.expand(3, -1, -1, -1), x.expand(3, -1, -1, -1), "thermal")
    torch.testing.assert_close(three, one.expand(3, -1, -1, -1), atol=1e-5, rtol=0.0)


def test_each_sample_of_a_mixed_batch_gets_what_it_gets_alone(model: SegRgbX) -> None:
    rgb, x = _pair(4, 33, 64)
    x[1] = float("nan")
    names = ["thermal", "event", "none", "depth"]
    present = torch.tensor([True, False, bool(model.config.components), True])
    with torch.no_grad():
        mixed = model(rgb, x, names, present)
        alone = [
            model(rgb[:1], x[:1], "thermal"),
            model(rgb[1:2], None),
            model(rgb[2:3], None, "depth"),
            model(rgb[3:], x[3:], "depth"),
        ]
    torch.testing.assert_close(mixed, torch.cat(alone), atol=1e-5, rtol=0.0)


def test_absent_x_is_an_x_without_a_valid_pixel(model: SegRgbX) -> None:
    rgb, x = _pair(1)
    with torch.no_grad():
        alone = model(rgb, None)
        zeros = model(rgb, torch.zeros_like(x), "thermal")
        hidden = model(rgb, x, "thermal", torch.tensor([False]))
    torch.testing.assert_close(alone, zeros, atol=1e-6, rtol=0.0)
    torch.testing.assert_close(alone, hidden, atol=1e-6, rtol=0.0)


def test_both_images_matter(model: SegRgbX) -> None:
    rgb, x = _pair(2, 32, 32)
    with torch.no_grad():
        logits = model(rgb[:1], x[:1], "thermal")
        assert (logits - model(rgb[1:], x[:1], "thermal")).abs().max() > 0.01
        assert (logits - model(rgb[:1], x[1:], "thermal")).abs().max() > 0.01


def test_gradients_reach_every_parameter_and_parts_left_off_are_not_there(model: SegRgbX) -> None:
    rgb, x = _pair(len(SENSORS) + 1, 32, 32)
    torch.manual_seed(1)
    model.train()
    model.zero_grad()
    try:
        model(rgb, x, [*SENSORS, "none"]).square().mean().backward()
        missed = [n for n, p in model.named_parameters() if p.grad is None or not p.grad.any()]
    finally:
        model.eval().zero_grad()
    assert missed == []
    components = set(model.config.components)
    if components and "ma_clip" not in components:
        components.add("modality_vectors")
    if model.config.sensor_rank:
        components.add("sensor_adapter")
    assert {name.split(".")[0] for name in model.state_dict()} == OUTLINE | components


@SMALL_ALONE
def test_one_seed_gives_one_model_and_one_training_step(model: SegRgbX, awake: Awake) -> None:
    rgb, x = _pair(2, 32, 32)
    seen = []
    for _ in range(2):
        built = awake(model.config).train()
        torch.manual_seed(3)
        built(rgb, x, "thermal").square().mean().backward()
        torch.optim.AdamW(built.parameters(), lr=1e-3).step()
        seen.append(built.state_dict())
    assert all(torch.equal(value, seen[1][name]) for name, value in seen[0].items())
    fresh = model.state_dict()
    assert not torch.equal(seen[0]["head.mix.weight"], fresh["head.mix.weight"])


def test_a_saved_model_loads_bit_equal(model: SegRgbX, tmp_path: Path) -> None:
    classes = tuple(LabelClass(f"class_{i}", (i, i, i)) for i in range(5))
    card = ModelCard("tiny", "Untrained.", model.config, SENSORS, LabelSet("five", classes))
    save_model(tmp_path, model, card, dtype=torch.float32)
    loaded = load_model(tmp_path)
    assert loaded.card.architecture == model.config
    state = loaded.model.state_dict()
    for name, value in model.state_dict().items():
        assert torch.equal(value, state[name]) or name.endswith("num_batches_tracked"), name
    rgb, x = _pair(1, 32, 32)
    with torch.no_grad():
        assert torch.equal(loaded.model(rgb, x, "thermal"), model(rgb, x, "thermal"))


def test_values_that_are_not_numbers_show_and_are_counted(model: SegRgbX) -> None:
    rgb, x = _pair(4, 32, 32)
    rgb[0, 1, 2, 3] = float("nan")
    x[1] = float("nan")
    x[2, :, 4, 4] = float("inf")
    present = torch.tensor([True, False, True, True])
    with torch.no_grad():
        logits = model(rgb, x, "thermal", present)
    shown = [bool(torch.isfinite(sample).all()) for sample in logits]
    assert shown == [False, True, False, True]
    bad = count_not_finite(rgb, x, present)
    assert (bad.rgb, bad.x, bad.samples) == (1, 3, (0, 2))
    assert not count_not_finite(rgb[1:], None)
    with pytest.raises(InputError, match=r"1 in rgb and 3 in x, .*samples 0, 2 of 4"):
        require_finite(rgb, x, present)
    require_finite(rgb[3:], x[3:], present[3:])


def test_bfloat16_stays_near_float32(model: SegRgbX) -> None:
    """Within BF16_ERROR of the logits' spread, root mean square."""
    rgb, x = _pair(1, 32, 64)
    with torch.no_grad():
        exact = model(rgb, x, "thermal")
        with torch.autocast("cpu", dtype=torch.bfloat16):
            rough = model(rgb, x, "thermal").float()
    error = (rough - exact).square().mean().sqrt() / exact.std()
    assert 0.0 < error < BF16_ERROR


@COSTLY
def test_forward_compiles_without_a_break(model: SegRgbX) -> None:
    torch.compiler.reset()
    rgb, x = _pair(2, 32, 64)
    names, present = ["thermal", "depth"], torch.tensor([True, False])
    compiled = torch.compile(model, fullgraph=True, backend="eager")
    with torch.no_grad():
        torch.testing.assert_close(compiled(rgb, x, names, present), model(rgb, x, names, present))


@pytest.mark.slow
@pytest.mark.parametrize("model", [B0_FULL, *SAMPLED], indirect=True, ids=_name)
def test_torch_export_round_trip(model: SegRgbX, tmp_path: Path) -> None:
    rgb, x = _pair(1, 33, 64)
    with torch.no_grad():
        torch.export.save(torch.export.export(model, (rgb, x, "thermal")), tmp_path / "m.pt2")
        again = torch.export.load(tmp_path / "m.pt2").module()
        torch.testing.assert_close(
            again(rgb, x, "thermal"), model(rgb, x, "thermal"), atol=1e-4, rtol=0.0
        )


@COSTLY
def test_onnx_round_trip(model: SegRgbX, tmp_path: Path) -> None:
    for package in ("onnx", "onnxscript", "onnxruntime"):
        pytest.importorskip(package, reason=f"{package} is not installed; it is in extra onnx")
    import onnxruntime

    rgb, x = _pair(1, 33, 64)
    path = tmp_path / "model.onnx"
    with torch.no_grad(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        expected = model(rgb, x, "thermal")
        torch.onnx.export(
            model,
            (rgb, x, "thermal"),
            path,
            input_names=["rgb", "x"],
            dynamo=True,
            verbose=False,
        )
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    names = [entry.name for entry in session.get_inputs()]
    (logits,) = session.run(None, dict(zip(names, (rgb.numpy(), x.numpy()), strict=True)))
    torch.testing.assert_close(torch.from_numpy(logits), expected, atol=1e-4, rtol=0.0)
    # Another pair, to check that nothing of the first became a constant.
    rgb, x = x, rgb
    (logits,) = session.run(None, dict(zip(names, (rgb.numpy(), x.numpy()), strict=True)))
    with torch.no_grad():
        expected = model(rgb, x, "thermal")
    torch.testing.assert_close(torch.from_numpy(logits), expected, atol=1e-4, rtol=0.0)
