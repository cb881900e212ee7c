# SPDX-License-Identifier: Apache-2.0
"""Model folders: saving and loading, and one sentence for each thing that can be wrong."""

import hashlib
import re
from dataclasses import replace
from pathlib import Path

import pytest
import torch
import yaml
from safetensors.torch import load_file, save_file
from torch import Tensor

from segrgbx_core.errors import InputError, ModelError, OutputError
from segrgbx_core.labels.label_set import LabelClass, LabelSet
from segrgbx_core.model import ModelConfig, Preprocessing, SegRgbX, build_model
from segrgbx_core.weights import store as weights
from segrgbx_core.weights.card import ModelCard, load_card
from segrgbx_core.weights.store import load_model, model_folder, save_model, shipped_models

LABELS = LabelSet("tiny", (LabelClass("road", (128, 64, 128)), LabelClass("sky", (70, 130, 180))))


def _card(model: SegRgbX) -> ModelCard:
    return ModelCard(
        name="tiny",
        description="For tests: Wärmebild, not trained.",
        architecture=model.config,
        modalities=("thermal", "depth"),
        label_set=LABELS,
        preprocessing=Preprocessing(x_mean=(0.4, 0.5, 0.6), short_side=96),
        training={"recipe": "none", "steps": 3, "lr": 6e-05},
    )


@pytest.fixture(scope="module")
def model() -> SegRgbX:
    torch.manual_seed(21)
    built = build_model("b0", num_classes=2, head_width=16)
    built.train()(torch.randn(2, 3, 64, 64), torch.randn(2, 3, 64, 64), "thermal")
    return built.eval()


@pytest.fixture
def folder(tmp_path: Path, model: SegRgbX) -> Path:
    save_model(tmp_path / "tiny", model, _card(model))
    return tmp_path / "tiny"


def _edit_card(folder: Path, *keys: str, value: object) -> None:
    """Sets an entry of the card's YAML; None removes it."""
    path = folder / "card.yaml"
    content = yaml.safe_load(path.read_text("utf-8"))
    place = content
    for key in keys[:-1]:
        place = place[key]
    if value is None:
        del place[keys[-1]]
    else:
        place[keys[-1]] = value
    path.write_text(yaml.safe_dump(content), "utf-8")


def _replace_weights(folder: Path, tensors: dict[str, Tensor]) -> None:
    """Other tensors with a card that knows their checksum."""
    save_file(tensors, folder / "model.safetensors")
    digest = hashlib.sha256((folder / "model.safetensors").read_bytes()).hexdigest()
    _edit_card(folder, "weights", "sha256", value=digest)


def _refusal(folder: str | Path) -> str:
    with pytest.raises(ModelError) as caught:
        load_model(folder)
    text = str(caught.value)
    assert "\n" not in text
    assert text.endswith(".")
    return text


def test_card_comes_back_as_it_was_saved(folder: Path, model: SegRgbX) -> None:
    card = load_card(folder)
    assert replace(card, weights=None) == _card(model)
    data = (folder / "model.safetensors").read_bytes()
    assert card.weights is not None
    assert card.weights.sha256 == hashlib.sha256(data).hexdigest()
    assert card.weights.dtype == "float16"
    assert sorted(p.name for p in folder.iterdir()) == ["card.yaml", "model.safetensors"]


def test_float32_weights_come_back_bit_by_bit(tmp_path: Path, model: SegRgbX) -> None:
    save_model(tmp_path, model, _card(model), dtype=torch.float32)
    loaded = load_model(tmp_path).model
    assert not loaded.training
    rgb, x = torch.randn(2, 1, 3, 64, 64)
    with torch.no_grad():
        assert torch.equal(loaded(rgb, x, "thermal"), model(rgb, x, "thermal"))


def test_float16_weights_are_loaded_to_float32_and_lose_little(
    folder: Path, model: SegRgbX
) -> None:
    loaded = load_model(folder).model
    assert {p.dtype for p in loaded.parameters()} == {torch.float32}
    for name, value in model.named_parameters():
        torch.testing.assert_close(
            loaded.get_parameter(name), value, atol=1e-6, rtol=2**-11, check_dtype=True
        )
    statistics = dict(loaded.named_buffers())
    for name, value in model.named_buffers():
        if not name.endswith("num_batches_tracked"):
            assert torch.equal(statistics[name], value)


def test_loaded_model_can_be_trained_on(folder: Path) -> None:
    loaded = load_model(folder).model.train()
    loaded(torch.randn(2, 3, 32, 32), None).sum().backward()
    assert loaded.head.norm.num_batches_tracked.item() == 1


def test_default_b0_stays_below_20_megabytes(tmp_path: Path) -> None:
    model = build_model("b0", num_classes=2)
    save_model(tmp_path, model, _card(model))
    assert (tmp_path / "model.safetensors").stat().st_size <= 20e6


def test_saving_again_replaces_both_files(folder: Path, model: SegRgbX) -> None:
    before = load_card(folder)
    with torch.no_grad():
        other = build_model("b0", num_classes=2, head_width=16)
    save_model(folder, other, replace(_card(model), name="other"))
    after = load_model(folder).card
    assert after.name == "other"
    assert after.weights != before.weights


def test_folder_by_shipped_name(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "share" / "models").mkdir(parents=True)
    folder.rename(tmp_path / "share" / "models" / "tiny")
    monkeypatch.setattr(weights, "share_dir", lambda: tmp_path / "share")
    assert shipped_models() == ("tiny",)
    assert model_folder("tiny") == tmp_path / "share" / "models" / "tiny"
    text = _refusal("tinny")
    assert "'tinny' was not found; shipped models: tiny" in text


def test_file_in_place_of_a_folder(folder: Path) -> None:
    assert "is a file" in _refusal(folder / "card.yaml")


def test_missing_card_and_missing_weights(folder: Path) -> None:
    (folder / "model.safetensors").unlink()
    text = _refusal(folder)
    assert "no model.safetensors" in text
    (folder / "card.yaml").unlink()
    assert "no card.yaml" in _refusal(folder)


def test_broken_yaml_names_the_line(folder: Path) -> None:
    (folder / "card.yaml").write_text("format: 1\nname: [tiny\nlicense: x\n", "utf-8")
    assert "card.yaml, line 3: not readable YAML" in _refusal(folder)
    (folder / "card.yaml").write_bytes(b"\xff\xfe\xff")
    assert "not text in UTF-8" in _refusal(folder)
    (folder / "card.yaml").write_text("- 1\n", "utf-8")
    assert "not a mapping" in _refusal(folder)


@pytest.mark.parametrize(
    ("keys", "value", "sentence"),
    [
        (("license",), None, "lacks license"),
        (("labels",), None, "lacks labels"),
        (("weights",), None, "lacks weights"),
        (("format",), 2, "has format 2"),
        (("name",), 7, "card.yaml.name is 7"),
        (("modalities",), "thermal", "modalities is 'thermal'"),
        (("modalities",), [1], "modalities[0] is 1"),
        (("modalities",), ["sonar"], "modality 'sonar'"),
        (("architecture", "preset"), "b9", "Preset 'b9' is unknown"),
        (("architecture", "num_classes"), True, "num_classes is True"),
        (("architecture", "shared_blocks"), 1, "shared_blocks is 1"),
        (
            ("architecture", "components"),
            ["magic"],
            "'magic' is unknown",
        ),
        (("preprocessing", "rgb_std"), [1, 2], "rgb_std has 2 values; expected 3"),
        (("preprocessing", "channel_order"), "bgr", "is 'bgr'; expected 'rgb'"),
        (("preprocessing",), [1], "card.yaml.preprocessing is [1]"),
        (("training",), {"a": [1]}, "training.a is [1]"),
        (
            ("labels", "classes"),
            [{"name": "a", "color": [1, 2, 300]}],
            "[1, 2, 300]",
        ),
        (("labels", "classes"), ["road"], "classes[0] is 'road'"),
        (("weights", "file"), "../other.bin", "'../other.bin'"),
        (("weights", "dtype"), "int8", "as int8; expected one of float32"),
    ],
)
def test_wrong_card_entries(
    folder: Path, keys: tuple[str, ...], value: object, sentence: str
) -> None:
    _edit_card(folder, *keys, value=value)
    assert sentence in _refusal(folder)


def test_class_count_against_label_set(folder: Path) -> None:
    _edit_card(folder, "architecture", "num_classes", value=3)
    assert re.search("3 classes .*'tiny' has 2", _refusal(folder))


def test_wrong_sha256(folder: Path) -> None:
    data = bytearray((folder / "model.safetensors").read_bytes())
    data[-1] ^= 1
    (folder / "model.safetensors").write_bytes(data)
    text = _refusal(folder)
    assert hashlib.sha256(data).hexdigest()[:12] in text
    assert "damaged" in text


def test_a_git_lfs_pointer_in_place_of_weights(folder: Path) -> None:
    (folder / "model.safetensors").write_text("version https://git-lfs.github.com/spec/v1\n")
    assert "is a Git LFS pointer" in _refusal(folder)


@pytest.mark.parametrize("data", [b"", b"no tensors at all"])
def test_file_that_is_no_safetensors(folder: Path, data: bytes) -> None:
    (folder / "model.safetensors").write_bytes(data)
    _edit_card(folder, "weights", "sha256", value=hashlib.sha256(data).hexdigest())
    assert "not a safetensors" in _refusal(folder)


def test_tensor_of_the_wrong_shape(folder: Path) -> None:
    tensors = load_file(folder / "model.safetensors")
    tensors["head.classifier.weight"] = torch.zeros(2, 8, 1, 1)
    _replace_weights(folder, tensors)
    text = _refusal(folder)
    assert "head.classifier.weight" in text
    assert "(2, 8, 1, 1)" in text
    assert "needs (2, 16, 1, 1)" in text


def test_tensor_of_whole_numbers(folder: Path) -> None:
    tensors = load_file(folder / "model.safetensors")
    tensors["head.classifier.bias"] = torch.zeros(2, dtype=torch.int32)
    _replace_weights(folder, tensors)
    assert "head.classifier.bias" in _refusal(folder)


def test_missing_and_unexpected_tensors_are_named(folder: Path) -> None:
    tensors = load_file(folder / "model.safetensors")
    tensors["segformer.encoder.weight"] = tensors.pop("head.classifier.bias")
    _replace_weights(folder, tensors)
    text = _refusal(folder)
    assert "missing (head.classifier.bias)" in text
    assert "unexpected (segformer.encoder.weight)" in text
    assert "Hugging Face" in text


def test_weights_of_unshared_blocks_are_recognised(tmp_path: Path) -> None:
    unshared = build_model("b0", 2, shared_blocks=False, head_width=16)
    save_model(tmp_path, unshared, _card(unshared))
    _edit_card(tmp_path, "architecture", "shared_blocks", value=True)
    assert "unshared blocks" in _refusal(tmp_path)


@pytest.mark.parametrize(
    ("preset", "words"),
    [
        ("b1", r"shape \(128,\), .* of b1; .*\(64,\)"),
        ("b2", r"unexpected \(.* of b2\."),
    ],
)
def test_weights_of_another_preset_are_recognised(tmp_path: Path, preset: str, words: str) -> None:
    other = build_model(preset, 2, head_width=16)
    save_model(tmp_path, other, _card(other))
    _edit_card(tmp_path, "architecture", "preset", value="b0")
    assert re.search(words, _refusal(tmp_path))


def test_modality_not_trained_for_names_those_that_were(model: SegRgbX) -> None:
    card = _card(model)
    assert card.check_modality("depth") == "depth"
    with pytest.raises(ModelError, match="with thermal, depth, not with event"):
        card.check_modality("event")
    with pytest.raises(ModelError, match="RGB alone, not with thermal"):
        replace(card, modalities=()).check_modality("thermal")
    with pytest.raises(InputError, match="'sonar' is unknown"):
        card.check_modality("sonar")


def test_card_of_another_model_is_not_saved(tmp_path: Path, model: SegRgbX) -> None:
    card = replace(_card(model), architecture=ModelConfig("b1", 2))
    with pytest.raises(ModelError, match="from the model's config"):
        save_model(tmp_path, model, card)
    assert list(tmp_path.iterdir()) == []


def test_weights_that_are_not_finite_are_not_saved(tmp_path: Path) -> None:
    model = build_model("b0", num_classes=2, head_width=16)
    with torch.no_grad():
        model.head.classifier.bias[0] = 1e6
    with pytest.raises(ModelError, match=r"head\.classifier\.bias .*not finite"):
        save_model(tmp_path, model, _card(model))
    save_model(tmp_path, model, _card(model), dtype=torch.float32)
    with pytest.raises(ModelError, match=r"stored as torch\.int8"):
        save_model(tmp_path, model, _card(model), dtype=torch.int8)


def test_folder_that_cannot_be_made(tmp_path: Path, model: SegRgbX) -> None:
    (tmp_path / "taken").write_text("a file", "utf-8")
    with pytest.raises(OutputError, match="Cannot write"):
        save_model(tmp_path / "taken" / "model", model, _card(model))


def test_a_card_without_the_setting_of_embeddings_has_two_sets(folder: Path) -> None:
    _edit_card(folder, "architecture", "shared_embeddings", value=None)
    assert load_model(folder).model.config.shared_embeddings is False


def test_one_set_of_embeddings_is_saved_and_loaded(tmp_path: Path) -> None:
    model = build_model("b0", num_classes=2, head_width=16, shared_embeddings=True).eval()
    save_model(tmp_path, model, _card(model), torch.float32)
    loaded = load_model(tmp_path).model
    assert loaded.config.shared_embeddings is True
    state = loaded.state_dict()
    assert all(torch.equal(value, state[key]) for key, value in model.state_dict().items())
    _edit_card(tmp_path, "architecture", "shared_embeddings", value="yes")
    assert "shared_embeddings is 'yes'" in _refusal(tmp_path)
