# SPDX-License-Identifier: Apache-2.0
"""MA-CLIP, modality-aligned embedding and DSRM in the assembled model, each switched on or off."""

from dataclasses import replace
from itertools import combinations
from pathlib import Path

import pytest
import torch
from torch import Tensor

from segrgbx_core.errors import InputError, ModelError
from segrgbx_core.labels import LabelClass, LabelSet
from segrgbx_core.model import (
    ModelCard,
    ModelConfig,
    SegRgbX,
    build_model,
    load_card,
    load_model,
    save_model,
    summarize,
)
from segrgbx_core.model.components import COMPONENTS
from segrgbx_core.model.ma_clip import SceneEmbeddings

SWITCHES = [s for n in (1, 2, 3) for s in combinations(COMPONENTS, n) if s != ("ma_clip",)]
EVERY_SENSOR = ("event", "thermal", "depth", "polarization", "light_field")


def _awake(components: tuple[str, ...], seed: int = 5, classes: int = 4) -> SegRgbX:
    """A model whose gates are open, as after training."""
    torch.manual_seed(seed)
    model = build_model("b0", classes, components, head_width=16).eval()
    with torch.no_grad():
        model.head.classifier.weight.normal_(0.0, 0.1)
        for embedding in model.modality_embedding or ():
            embedding.gate.normal_(0.0, 1.0)  # type: ignore[union-attr,operator]
        for block in (model.dsrm or {}).values():
            block.control.weight.normal_(0.0, 0.05)  # type: ignore[union-attr,operator]
            block.control.bias.normal_(0.0, 0.5)  # type: ignore[union-attr,operator]
    return model


@pytest.fixture(scope="module")
def full() -> SegRgbX:
    return _awake(COMPONENTS)


def _pair(batch: int, height: int = 64, width: int = 96) -> tuple[Tensor, Tensor]:
    rgb, x = torch.randn(2, batch, 3, height, width, generator=torch.Generator().manual_seed(3))
    return rgb, x


def _card(model: SegRgbX) -> ModelCard:
    classes = tuple(LabelClass(f"class_{i}", (i, i, i)) for i in range(4))
    return ModelCard("tiny", "Untrained.", model.config, ("thermal",), LabelSet("four", classes))


@pytest.mark.parametrize("components", SWITCHES)
def test_fresh_model_equals_the_outline_of_its_seed(components: tuple[str, ...]) -> None:
    rgb, x = _pair(2, 32, 32)
    logits = []
    for switch in ((), components):
        torch.manual_seed(8)
        built = build_model("b0", 4, switch, head_width=16).eval()
        with torch.no_grad():
            logits.append(built(rgb, x, "thermal"))
    assert torch.equal(logits[0], logits[1])


def test_outline_has_no_tensor_of_the_components() -> None:
    outline = build_model("b0", 4, head_width=16).state_dict().keys()
    tops = {key.split(".")[0] for key in outline}
    assert tops == {"encoder", "frm", "ffm", "head"}
    assert outline < build_model("b0", 4, COMPONENTS, head_width=16).state_dict().keys()


@pytest.mark.parametrize("components", SWITCHES)
def test_open_gates_change_the_logits(components: tuple[str, ...]) -> None:
    rgb, x = _pair(1, 32, 32)
    with torch.no_grad():
        awake = _awake(components)(rgb, x, "thermal")
        plain = _awake(())(rgb, x, "thermal")
    assert (awake - plain).abs().max() > 1e-3


@pytest.mark.parametrize("size", [(63, 95), (65, 33), (1, 40), (7, 5)])
def test_logits_have_the_input_size(full: SegRgbX, size: tuple[int, int]) -> None:
    rgb, x = _pair(2, *size)
    with torch.no_grad():
        logits = full(rgb, x, "thermal")
    assert logits.shape == (2, 4, *size)
    assert torch.isfinite(logits).all()


@pytest.mark.parametrize("components", [COMPONENTS, ("modality_embedding", "dsrm")])
def test_each_sample_of_a_mixed_batch_gets_what_it_gets_alone(
    components: tuple[str, ...],
) -> None:
    model = _awake(components)
    rgb, x = _pair(4)
    x[1] = float("nan")
    names = ["thermal", "event", "none", "depth"]
    present = torch.tensor([True, False, True, True])
    with torch.no_grad():
        mixed = model(rgb, x, names, present)
        alone = [
            model(rgb[:1], x[:1], "thermal"),
            model(rgb[1:2], None),
            model(rgb[2:3], None, "depth"),
            model(rgb[3:], x[3:], "depth"),
        ]
    torch.testing.assert_close(mixed, torch.cat(alone), atol=1e-5, rtol=0.0)


def test_absent_x_is_an_x_without_a_valid_pixel(full: SegRgbX) -> None:
    rgb, x = _pair(1)
    with torch.no_grad():
        alone = full(rgb, None)
        zeros = full(rgb, torch.zeros_like(x), "thermal")
    torch.testing.assert_close(alone, zeros, atol=1e-6, rtol=0.0)


def test_the_sensor_named_matters(full: SegRgbX) -> None:
    rgb, x = _pair(1)
    with torch.no_grad():
        thermal, depth = full(rgb, x, "thermal"), full(rgb, x, "depth")
    assert (thermal - depth).abs().max() > 1e-3


@pytest.mark.parametrize("components", SWITCHES)
def test_gradients_reach_every_parameter_left_on(components: tuple[str, ...]) -> None:
    model = _awake(components).train()
    count = len(EVERY_SENSOR) + 1
    rgb, x = _pair(count, 32, 32)
    model(rgb, x, [*EVERY_SENSOR, "none"]).square().mean().backward()
    assert [n for n, p in model.named_parameters() if p.grad is None or not p.grad.any()] == []
    if model.modality_embedding is not None:
        for embedding in model.modality_embedding:
            assert embedding.prompts.grad.flatten(1).any(1).all()  # type: ignore[union-attr]


def test_frozen_tower_gets_no_gradient_and_the_rest_does() -> None:
    model = _awake(COMPONENTS).train()
    assert model.ma_clip is not None
    model.ma_clip.freeze()
    rgb, x = _pair(2, 32, 32)
    model(rgb, x, ["thermal", "none"]).square().mean().backward()
    without = {n for n, p in model.named_parameters() if p.grad is None}
    assert without == {f"ma_clip.visual.{n}" for n, _ in model.ma_clip.visual.named_parameters()}


def test_fresh_gates_learn_first() -> None:
    torch.manual_seed(1)
    model = build_model("b0", 4, COMPONENTS, head_width=16)
    rgb, x = _pair(2, 32, 32)
    model(rgb, x, "thermal").square().mean().backward()
    moved = {n for n, p in model.named_parameters() if p.grad is not None and p.grad.any()}
    new = {n.split(".", 2)[-1] for n in moved if n.startswith(("modality_embedding", "dsrm"))}
    assert new == {"gate", "control.weight", "control.bias"}


def test_scene_given_is_the_scene_used(full: SegRgbX) -> None:
    rgb, x = _pair(2)
    with torch.no_grad():
        scene = full.embed_scene(rgb, x, "thermal")
        same = full(rgb, x, "thermal", scene=scene)
        turned = full(rgb, x, "thermal", scene=SceneEmbeddings(-scene.rgb, -scene.x))
        torch.testing.assert_close(same, full(rgb, x, "thermal"), atol=1e-6, rtol=0.0)
    assert (same - turned).abs().max() > 1e-3
    assert scene.rgb.shape == scene.x.shape == (2, 128)


def test_dsrm_stands_at_the_stages_asked_for() -> None:
    model = build_model("b0", 4, ("dsrm",), head_width=16, dsrm_stages=(1, 4)).eval()
    assert model.dsrm is not None
    assert list(model.dsrm) == ["1", "4"]
    with torch.no_grad():
        assert model(*_pair(1, 32, 32), "thermal").shape == (1, 4, 32, 32)


def test_saved_model_loads_bit_equal_and_holds_no_text_tower(
    tmp_path: Path, full: SegRgbX
) -> None:
    save_model(tmp_path, full, _card(full), dtype=torch.float32)
    loaded = load_model(tmp_path)
    assert loaded.card.architecture == full.config
    state = full.state_dict()
    for key, value in loaded.model.state_dict().items():
        assert torch.equal(value, state[key]) or key.endswith("num_batches_tracked")
    rgb, x = _pair(1)
    with torch.no_grad():
        assert torch.equal(loaded.model(rgb, x, "thermal"), full(rgb, x, "thermal"))


def test_card_without_the_components_settings_is_an_outline(tmp_path: Path) -> None:
    model = build_model("b0", 4, head_width=16)
    save_model(tmp_path, model, _card(model))
    path = tmp_path / "card.yaml"
    lines = path.read_text().splitlines()
    first = next(i for i, line in enumerate(lines) if line.startswith("  clip:"))
    last = next(i for i, line in enumerate(lines) if line.startswith("modalities:"))
    path.write_text("\n".join(lines[:first] + lines[last:]))
    assert load_card(tmp_path).architecture == model.config
    assert load_model(tmp_path).model.config.components == ()


def test_weights_with_components_do_not_load_as_an_outline(tmp_path: Path, full: SegRgbX) -> None:
    save_model(tmp_path, full, _card(full))
    card = (tmp_path / "card.yaml").read_text()
    listed = "  components:\n  - ma_clip\n  - modality_embedding\n  - dsrm\n"
    assert listed in card
    (tmp_path / "card.yaml").write_text(card.replace(listed, "  components: []\n"))
    with pytest.raises(ModelError, match="look like this project's model with component ma_clip"):
        load_model(tmp_path)


def test_forward_compiles_without_a_break(full: SegRgbX) -> None:
    rgb, x = _pair(2, 32, 32)
    present = torch.tensor([True, False])
    compiled = torch.compile(full, fullgraph=True, backend="eager")
    with torch.no_grad():
        torch.testing.assert_close(
            compiled(rgb, x, ["thermal", "depth"], present),
            full(rgb, x, ["thermal", "depth"], present),
        )


def test_bfloat16_stays_near_float32(full: SegRgbX) -> None:
    rgb, x = _pair(1, 32, 32)
    with torch.no_grad():
        exact = full(rgb, x, "thermal")
        with torch.autocast("cpu", dtype=torch.bfloat16):
            near = full(rgb, x, "thermal")
    assert (near.float() - exact).abs().max() < 0.05 * exact.abs().max()


def test_new_parts_cost_less_than_fifteen_percent_of_b2() -> None:
    outline = summarize(ModelConfig("b2", 25), 480, 640)
    whole = summarize(ModelConfig("b2", 25, COMPONENTS), 480, 640)
    assert [part.name for part in whole.parts[4:]] == list(COMPONENTS)
    assert whole.parts[:4] == outline.parts
    assert all(part.macs > 0 for part in whole.parts)
    assert sum(part.macs for part in whole.parts[4:]) < 0.15 * outline.macs


def test_summary_counts_every_parameter() -> None:
    for components in (COMPONENTS, ("dsrm",)):
        summary = summarize(ModelConfig("b0", 4, components, head_width=16), 64, 64)
        model = build_model("b0", 4, components, head_width=16)
        assert summary.parameters == sum(p.numel() for p in model.parameters())


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"components": ("magic",)}, "Component 'magic' is unknown; expected some of ma_clip"),
        ({"components": ("dsrm", "dsrm")}, "Components dsrm, dsrm repeat; name each once"),
        ({"components": ("ma_clip",)}, "ma_clip alone changes nothing: .* add one of them"),
        ({"dsrm_stages": (5,)}, r"dsrm_stages is \(5,\); expected stages from 1 to 4"),
        ({"dsrm_stages": ()}, r"dsrm_stages is \(\); expected"),
        ({"dsrm_stages": (4, 4)}, "each once"),
        ({"prompts": 0}, "4 control prompts and 0 learnable prompts; expected 1 to 64"),
        ({"control_prompts": 65}, "65 control prompts"),
        ({"modalities": ("sonar",)}, "modalities are sonar; expected some of event"),
        ({"modalities": ()}, "modalities are none; expected"),
    ],
)
def test_wrong_settings_are_refused_in_words(
    settings: dict[str, tuple[str, ...]], sentence: str
) -> None:
    with pytest.raises(ModelError, match=sentence):
        ModelConfig(**settings)  # type: ignore[arg-type]


def test_wrong_use_is_refused_in_words(full: SegRgbX) -> None:
    rgb, x = _pair(1, 32, 32)
    outline = build_model("b0", 4, head_width=16)
    scene = full.embed_scene(rgb, x, "thermal")
    with pytest.raises(InputError, match="no components to read it"):
        outline(rgb, x, "thermal", scene=scene)
    with pytest.raises(InputError, match="has no components, so it embeds no scene"):
        outline.embed_scene(rgb, x, "thermal")
    thermal = SegRgbX(replace(full.config, modalities=("thermal",)))
    with pytest.raises(InputError, match="no prompts for modality 'depth', only for thermal"):
        thermal(rgb, x, "depth")
    card = _card(full)
    with pytest.raises(ModelError, match="prompts for depth alone; add it there"):
        replace(card, architecture=replace(full.config, modalities=("depth",)))
