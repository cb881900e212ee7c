# SPDX-License-Identifier: Apache-2.0
"""MA-CLIP, modality-aligned embedding and DSRM in the assembled model, each switched on or off."""

from collections.abc import Callable
from dataclasses import replace
from itertools import combinations
from pathlib import Path

import pytest
import torch
from torch import Tensor

from segrgbx_core.errors import InputError, ModelError
from segrgbx_core.labels.label_set import LabelClass, LabelSet
from segrgbx_core.model import ModelConfig, SegRgbX, build_model, summarize
from segrgbx_core.model.ma_clip import SceneEmbeddings, modality_rows
from segrgbx_core.model.presets import COMPONENTS
from segrgbx_core.weights.card import ModelCard, load_card
from segrgbx_core.weights.store import load_model, save_model

SWITCHES = [s for n in (1, 2, 3) for s in combinations(COMPONENTS, n) if s != ("ma_clip",)]
Awake = Callable[[ModelConfig], SegRgbX]
EVERY_SENSOR = ("event", "thermal", "depth", "polarization", "light_field")


@pytest.fixture(scope="module")
def full(awake: Awake) -> SegRgbX:
    return awake(_config(COMPONENTS))


def _config(components: tuple[str, ...]) -> ModelConfig:
    return ModelConfig("b0", 4, components, head_width=16)


def _pair(batch: int, height: int = 64, width: int = 96) -> tuple[Tensor, Tensor]:
    rgb, x = torch.randn(2, batch, 3, height, width, generator=torch.Generator().manual_seed(3))
    return rgb, x


def _card(model: SegRgbX) -> ModelCard:
    classes = tuple(LabelClass(f"class_{i}", (i, i, i)) for i in range(4))
    return ModelCard("tiny", "Untrained.", model.config, ("thermal",), LabelSet("four", classes))


@pytest.mark.parametrize("preset", ["b0", "efficientnet_lite0"])
@pytest.mark.parametrize("components", SWITCHES)
def test_fresh_model_equals_the_outline_of_its_seed(
    components: tuple[str, ...], preset: str
) -> None:
    rgb, x = _pair(2, 32, 32)
    logits = []
    for switch in ((), components):
        torch.manual_seed(8)
        built = build_model(preset, 4, switch, head_width=16).eval()
        with torch.no_grad():
            logits.append(built(rgb, x, "thermal"))
    # Threads may sum a convolution in another order; an open gate moves the logits by over 1e-3.
    torch.testing.assert_close(logits[0], logits[1], rtol=0, atol=1e-6)


def test_outline_has_no_tensor_of_the_components() -> None:
    outline = build_model("b0", 4, head_width=16).state_dict().keys()
    tops = {key.split(".")[0] for key in outline}
    assert tops == {"encoder", "frm", "ffm", "head"}
    assert outline < build_model("b0", 4, COMPONENTS, head_width=16).state_dict().keys()


@pytest.mark.parametrize("components", SWITCHES)
def test_open_gates_change_the_logits(components: tuple[str, ...], awake: Awake) -> None:
    rgb, x = _pair(1, 32, 32)
    model = awake(_config(components))
    outline = awake(_config(()))
    outline.load_state_dict(
        {k: v for k, v in model.state_dict().items() if k in outline.state_dict()}
    )
    with torch.no_grad():
        difference = model(rgb, x, "thermal") - outline(rgb, x, "thermal")
    assert difference.abs().max() > 1e-3


def test_the_sensor_named_matters(full: SegRgbX) -> None:
    rgb, x = _pair(1)
    with torch.no_grad():
        thermal, depth = full(rgb, x, "thermal"), full(rgb, x, "depth")
    assert (thermal - depth).abs().max() > 1e-3


@pytest.mark.parametrize("components", SWITCHES)
def test_gradients_reach_every_parameter_left_on(
    components: tuple[str, ...], awake: Awake
) -> None:
    model = awake(_config(components)).train()
    count = len(EVERY_SENSOR) + 1
    rgb, x = _pair(count, 32, 32)
    model(rgb, x, [*EVERY_SENSOR, "none"]).square().mean().backward()
    assert [n for n, p in model.named_parameters() if p.grad is None or not p.grad.any()] == []
    if model.modality_embedding is not None:
        for embedding in model.modality_embedding:
            assert embedding.prompts.grad.flatten(1).any(1).all()  # type: ignore[union-attr]


def test_frozen_tower_gets_no_gradient_and_the_rest_does(awake: Awake) -> None:
    model = awake(_config(COMPONENTS)).train()
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


def test_each_sensor_has_a_path_of_its_own(awake: Awake, tmp_path: Path) -> None:
    config = replace(_config(("modality_embedding",)), sensor_rank=4)
    rgb, x = _pair(2)
    torch.manual_seed(8)
    fresh = SegRgbX(config).eval()
    torch.manual_seed(8)
    without = SegRgbX(replace(config, sensor_rank=0)).eval()
    with torch.no_grad():
        assert torch.equal(fresh(rgb, x, "thermal"), without(rgb, x, "thermal"))
        model = awake(config)
        before = {name: model(rgb, x, name) for name in ("thermal", "event")}
        adapters = model.sensor_adapter
        assert adapters is not None
        for adapter in adapters:
            adapter.up[modality_rows("event", 1, config.modalities)[0]] = 0.0
        after = {name: model(rgb, x, name) for name in ("thermal", "event")}
    assert torch.equal(before["thermal"], after["thermal"])
    assert not torch.allclose(before["event"], after["event"])
    save_model(tmp_path, model, _card(model))
    assert load_model(tmp_path).model.config.sensor_rank == 4


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
    with pytest.raises(ModelError, match="model with component ma_clip"):
        load_model(tmp_path)


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
        ({"components": ("magic",)}, "'magic' is unknown; .*ma_clip"),
        ({"components": ("dsrm", "dsrm")}, "dsrm, dsrm repeat"),
        ({"components": ("ma_clip",)}, "ma_clip alone .*modality_embedding and dsrm"),
        ({"dsrm_stages": (5,)}, r"dsrm_stages is \(5,\); .*from 1 to 4"),
        ({"dsrm_stages": ()}, r"dsrm_stages is \(\); expected"),
        ({"dsrm_stages": (4, 4)}, r"dsrm_stages is \(4, 4\); .*each once"),
        ({"sensor_rank": 65}, "rank is 65; expected 0 to 64"),
        ({"reduction": 0}, "reduction is 0; expected 1 to 16"),
        ({"prompts": 0}, "4 control .* 0 learnable prompts; .*1 to 64"),
        ({"control_prompts": 65}, "65 control prompts"),
        ({"modalities": ("sonar",)}, "modalities are sonar; .*event"),
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
    with pytest.raises(InputError, match=r"scene was given, .*no components"):
        outline(rgb, x, "thermal", scene=scene)
    with pytest.raises(InputError, match=r"no components, .*embeds no scene"):
        outline.embed_scene(rgb, x, "thermal")
    thermal = SegRgbX(replace(full.config, modalities=("thermal",)))
    with pytest.raises(InputError, match=r"no prompts .*'depth', .*thermal"):
        thermal(rgb, x, "depth")
    card = _card(full)
    with pytest.raises(ModelError, match="prompts for depth"):
        replace(card, architecture=replace(full.config, modalities=("depth",)))
