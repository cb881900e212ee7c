# SPDX-License-Identifier: Apache-2.0
"""Tuning MA-CLIP: the objective by hand, low-rank updates and their merge, refused settings."""

import math
import sys
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from safetensors.torch import load_file

from segrgbx_core.errors import InputError, ModelError
from segrgbx_core.labels.label_set import LabelClass, LabelSet
from segrgbx_core.model import build_model
from segrgbx_core.model.ma_clip import MaClip
from segrgbx_core.model.vision_tower import SMALL, VisionTower
from segrgbx_core.training.clip.objective import (
    ClipEmbeddings,
    ClipObjective,
    apart_term,
    clip_loss,
    same_texts,
    scene_term,
    scene_text,
    text_term,
    without_modality,
)
from segrgbx_core.training.clip.towers import ClipTowers, LoraSettings
from segrgbx_core.training.clip.tuning import ClipBatch, ClipTuning, embed_batch, tune_clip
from segrgbx_core.weights.card import ModelCard
from segrgbx_core.weights.store import save_model

BOTH = ("thermal", "depth")


def _tower_libraries() -> None:
    pytest.importorskip("open_clip", reason="needs open_clip and peft: pip install .[clip]")
    pytest.importorskip("peft", reason="needs open_clip and peft: pip install .[clip]")


def _embeddings() -> ClipEmbeddings:
    """Two scenes in six dimensions: 0, 1 are the scenes, 3, 4 the sensors, RGB and X."""
    e = torch.eye(6)
    rgb = F.normalize(torch.stack((e[0] + e[3], e[1] + e[3])), dim=1)
    x = F.normalize(torch.stack((e[0] + e[4], e[1] + e[4])), dim=1)
    return ClipEmbeddings(
        rgb, x, rgb, x, torch.eye(4, dtype=torch.bool), e[3:5], torch.tensor([1, 1])
    )


def test_text_term_by_hand() -> None:
    # Of four texts an image meets its own with cosine 1, two with 0.5 and one with 0.
    expected = math.log(1 + 2 * math.exp(-2) + math.exp(-4))
    assert text_term(_embeddings(), torch.tensor(4.0)).item() == pytest.approx(expected, abs=1e-6)


def test_equal_texts_share_the_target() -> None:
    same = same_texts(["a", "b", "a"])
    assert same.tolist() == [[True, False, True], [False, True, False], [True, False, True]]
    embeddings = _embeddings()
    one = torch.ones(4, 4, dtype=torch.bool)
    shared = ClipEmbeddings(**{**vars(embeddings), "same_text": one})
    # The target is even, so the mean similarity 0.5 stands where the own one stood.
    expected = math.log(math.e**4 + 2 * math.e**2 + 1) - 2
    assert text_term(shared, torch.tensor(4.0)).item() == pytest.approx(expected, abs=1e-6)


def test_scene_term_sees_scenes_alone() -> None:
    embeddings = _embeddings()
    # Half of the sensors' plane, their difference, is taken out; what they share stays.
    kept = torch.tensor([1.0, 0, 0, 0.5, 0.5, 0]) / math.sqrt(1.5)
    torch.testing.assert_close(without_modality(embeddings.rgb, embeddings.anchors)[0], kept)
    torch.testing.assert_close(without_modality(embeddings.x, embeddings.anchors)[0], kept)
    expected = math.log(1 + math.exp((1 / 3 - 1) / 0.5))
    assert scene_term(embeddings, 0.5).item() == pytest.approx(expected, abs=1e-6)


def test_apart_term_by_hand() -> None:
    expected = math.log(1 + math.exp(-math.sqrt(0.5) / 0.5))
    assert apart_term(_embeddings(), 0.5).item() == pytest.approx(expected, abs=1e-6)


def test_loss_is_the_weighted_sum() -> None:
    embeddings, scale = _embeddings(), torch.tensor(3.0)
    objective = ClipObjective(text=2.0, scene=0.3, apart=0.7, temperature=0.2)
    expected = 2 * text_term(embeddings, scale) + 0.3 * scene_term(embeddings, 0.2)
    expected = expected + 0.7 * apart_term(embeddings, 0.2)
    torch.testing.assert_close(clip_loss(embeddings, scale, objective), expected)


def test_texts_name_sensor_classes_and_condition() -> None:
    assert scene_text("thermal", ("road", "traffic_sign", "car"), "night") == (
        "a thermal image of a scene at night with road, traffic sign and car"
    )
    assert scene_text(None, ("sky",), "in snow") == "a color image of a scene in snow with sky"
    assert scene_text("depth", (), None) == "a depth image of a scene"
    with pytest.raises(InputError, match="'sonar' is unknown"):
        scene_text("sonar", (), None)


def _batch(seed: int = 0, count: int = 4) -> ClipBatch:
    generator = torch.Generator().manual_seed(seed)
    scenes = torch.randn(count, 3, 4, 4, generator=generator)
    side = SMALL.image_size // 4
    rgb = scenes.repeat_interleave(side, 2).repeat_interleave(side, 3)
    classes = (("road",), ("road", "car"), ("tree",), ("wall", "sky"))[:count]
    modalities = ("thermal", "depth", "thermal", "depth")[:count]
    # Each sensor changes the image: thermal inverts and brightens, depth darkens.
    sign = torch.tensor([-1.0 if name == "thermal" else 1.0 for name in modalities])
    x = sign[:, None, None, None] * (0.5 * rgb - 1.0)
    return ClipBatch(rgb, x, modalities, classes, ("day", "night", None, "fog"))


def _lora_with_weight(towers: ClipTowers) -> None:
    for name, parameter in towers.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(parameter, std=0.05)


@pytest.fixture(scope="module")
def adapted() -> ClipTowers:
    _tower_libraries()
    torch.manual_seed(17)
    towers = ClipTowers(lora=LoraSettings(rank=2, alpha=4))
    _lora_with_weight(towers)
    return towers.eval()


def test_gradients_reach_the_low_rank_factors_and_nothing_else(adapted: ClipTowers) -> None:
    embeddings = embed_batch(adapted, _batch(), BOTH)
    clip_loss(embeddings, adapted.scale, ClipObjective()).backward()  # type: ignore[no-untyped-call]
    reached = {n for n, p in adapted.named_parameters() if p.grad is not None and p.grad.any()}
    low_rank = {n for n, _ in adapted.named_parameters() if "lora_" in n}
    assert any(".visual." in n for n in low_rank)
    assert any(".visual." not in n for n in low_rank)
    assert {n for n in reached if not n.endswith("logit_scale")} == low_rank
    assert len(reached) == len(low_rank) + 1


def test_merge_changes_no_embedding_and_leaves_no_trace_of_peft(tmp_path: Path) -> None:
    _tower_libraries()
    torch.manual_seed(18)
    towers = ClipTowers(lora=LoraSettings(rank=2, alpha=4)).eval()
    plain = towers.embed_images(_batch().rgb)
    _lora_with_weight(towers)
    texts = ["a thermal image of a road at night", "a depth image"]
    with torch.no_grad():
        before = towers.embed_images(_batch().rgb), towers.embed_texts(texts)
        assert (before[0] - plain).abs().max() > 1e-3
        towers.merge()
        after = towers.embed_images(_batch().rgb), towers.embed_texts(texts)
    for one, other in zip(before, after, strict=True):
        torch.testing.assert_close(one, other, atol=1e-4, rtol=0.0)
    assert not towers.adapted
    model = build_model("b0", 2, ("ma_clip", "dsrm"), head_width=8)
    assert model.ma_clip is not None
    model.ma_clip.load_visual(towers.visual_tensors())
    labels = LabelSet("two", (LabelClass("a", (0, 0, 0)), LabelClass("b", (1, 1, 1))))
    save_model(tmp_path, model, ModelCard("t", "t", model.config, ("thermal",), labels))
    kept = load_file(tmp_path / "model.safetensors")
    traces = ("lora", "base_layer", "token_embedding", "text", "logit_scale", "ln_final")
    assert [key for key in kept if any(trace in key for trace in traces)] == []
    assert sorted(p.name for p in tmp_path.iterdir()) == ["card.yaml", "model.safetensors"]


def test_tower_for_inference_equals_open_clips() -> None:
    _tower_libraries()
    torch.manual_seed(19)
    towers = ClipTowers().eval()
    ours = VisionTower()
    ours.load_state_dict(dict(towers.visual_tensors()), strict=True)
    images = _batch().rgb
    with torch.no_grad():
        torch.testing.assert_close(
            F.normalize(ours(images), dim=1), towers.embed_images(images), atol=1e-5, rtol=0.0
        )


def test_tuning_tells_sensors_apart_and_finds_the_scene_again() -> None:
    _tower_libraries()
    torch.manual_seed(20)
    towers = ClipTowers()
    losses = tune_clip(
        towers, iter([_batch()] * 12), BOTH, ClipTuning(learning_rate=5e-4, steps=12)
    )
    assert len(losses) == 12
    assert losses[-1] < 0.7 * losses[0]
    with torch.no_grad():
        embeddings = embed_batch(towers, _batch(), BOTH)
    assert (embeddings.rgb @ embeddings.anchors.T).argmax(1).tolist() == [0, 0, 0, 0]
    assert (embeddings.x @ embeddings.anchors.T).argmax(1).tolist() == embeddings.rows.tolist()


def test_any_open_clip_name_gives_a_tower_of_its_size() -> None:
    _tower_libraries()
    with torch.device("meta"):
        clip = MaClip("ViT-B-32")
    assert (clip.size, clip.width) == ((224, 224), 512)
    assert 80e6 < sum(p.numel() for p in clip.visual.parameters()) < 95e6


def test_a_named_tower_is_adapted_merged_and_read_by_the_model() -> None:
    _tower_libraries()
    torch.manual_seed(22)
    towers = ClipTowers("ViT-S-32", lora=LoraSettings(rank=2)).eval()
    _lora_with_weight(towers)
    assert towers.statistics is not None
    assert [round(v, 3) for v in towers.statistics[0]] == [0.481, 0.458, 0.408]
    clip = MaClip("ViT-S-32").eval()
    images = torch.randn(1, 3, 40, 50)
    with torch.no_grad():
        expected = towers.embed_images(clip.as_read(images, 0))
        clip.load_visual(towers.visual_tensors())
        outputs = clip(images, images, torch.tensor([2]))
    for vectors in outputs:
        torch.testing.assert_close(F.normalize(vectors, dim=1), expected, atol=1e-4, rtol=0.0)


def test_wrong_settings_are_refused_in_words(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"rank 0 and alpha 16; .*1 or more"):
        LoraSettings(rank=0)
    with pytest.raises(ModelError, match=r"no targets; .*attn"):
        LoraSettings(targets=())
    with pytest.raises(InputError, match=r"0 or more .*temperature above 0"):
        ClipObjective(temperature=0.0)
    with pytest.raises(InputError, match=r"0 steps .*1 or more steps"):
        ClipTuning(steps=0)
    with pytest.raises(InputError, match=r"count \[3, 4\];"):
        ClipBatch(**{**vars(_batch()), "conditions": (None, None, None)})
    _tower_libraries()
    with pytest.raises(ModelError, match=r"'vit' is unknown; .*'small'"):
        ClipTowers("vit")
    with pytest.raises(ModelError, match=r"'vit' is unknown; .*'small'"):
        MaClip("vit")
    with pytest.raises(ModelError, match=r"'ViT-B-16-SigLIP' .* would be downloaded"):
        ClipTowers("ViT-B-16-SigLIP")
    with pytest.raises(ModelError, match=r"query are not modules .*attn, .*c_fc"):
        ClipTowers(lora=LoraSettings(targets=("query",)))
    with pytest.raises(ModelError, match=r"not found; .*'small'"):
        ClipTowers(weights=tmp_path / "none.pt")
    broken = tmp_path / "broken.pt"
    broken.write_bytes(b"no weights")
    with pytest.raises(ModelError, match=r"not hold .*'small'"):
        ClipTowers(weights=broken)


def test_own_weights_load_by_path(tmp_path: Path) -> None:
    _tower_libraries()
    torch.manual_seed(21)
    towers = ClipTowers()
    torch.save(towers.clip.state_dict(), tmp_path / "clip.pt")
    again = ClipTowers(weights=tmp_path / "clip.pt")
    assert all(
        torch.equal(value, again.clip.state_dict()[key])
        for key, value in towers.clip.state_dict().items()
    )


def test_wrong_batches_are_refused_in_words(adapted: ClipTowers) -> None:
    with pytest.raises(InputError, match=r"modality depth; .*thermal"):
        embed_batch(adapted, _batch(), ("thermal",))
    with pytest.raises(InputError, match="ended after 0 of 3"):
        tune_clip(adapted, [], BOTH, ClipTuning(steps=3))


def test_missing_libraries_name_the_way_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "open_clip", None)
    with pytest.raises(ModelError, match=r"open_clip and peft, .*pip install"):
        ClipTowers()
