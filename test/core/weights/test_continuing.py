# SPDX-License-Identifier: Apache-2.0
"""A model started from another of this project: other classes, sensors, streams and parts."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor

from segrgbx_core.errors import ModelError
from segrgbx_core.labels.label_set import LabelClass, LabelSet
from segrgbx_core.model import ModelConfig, SegRgbX
from segrgbx_core.model.fusion import CLOSED
from segrgbx_core.model.preprocessing import Preprocessing
from segrgbx_core.weights.card import ModelCard
from segrgbx_core.weights.continuing import continue_from
from segrgbx_core.weights.store import save_model

ALL = ("ma_clip", "modality_embedding", "dsrm")
THERMAL = ModelConfig(num_classes=3, head_width=16, components=ALL, modalities=("thermal",))
PLAIN = ModelConfig(num_classes=3, head_width=16)
NAMES = ("road", "car", "sky")
State = dict[str, Tensor]


def fresh(config: ModelConfig, seed: int) -> SegRgbX:
    torch.manual_seed(seed)
    return SegRgbX(config)


def kept(folder: Path, config: ModelConfig, names: Sequence[str] = NAMES) -> State:
    """A model folder with weights of its own in every tensor, and what it holds."""
    model = fresh(config, 1)
    with torch.no_grad():
        for value in (*model.parameters(), *model.buffers()):
            if value.is_floating_point():
                value.normal_(0.0, 0.1).abs_()
    classes = tuple(LabelClass(name, (0, 0, i)) for i, name in enumerate(names))
    card = ModelCard(
        name="before",
        description="for a test",
        architecture=config,
        modalities=config.modalities,
        label_set=LabelSet("few", classes),
        preprocessing=Preprocessing(),
        training={},
        license="Apache-2.0",
    )
    save_model(folder, model, card, torch.float32)
    return model.state_dict()


def without(state: State, *parts: str) -> State:
    """The tensors outside those parts, without counters, which a model folder does not keep."""
    return {k: v for k, v in state.items() if not k.startswith(parts) and "num_batches" not in k}


def test_more_classes_get_their_own_rows_and_the_new_one_is_fresh(tmp_path: Path) -> None:
    start = kept(tmp_path, THERMAL)
    model = fresh(replace(THERMAL, num_classes=4), 2)
    new = {k: v.clone() for k, v in model.state_dict().items()}
    report = continue_from(model, (*NAMES, "glass"), tmp_path)
    state = model.state_dict()
    for name in ("head.classifier.weight", "head.classifier.bias"):
        assert torch.equal(state[name][:3], start[name])
        assert torch.equal(state[name][3], new[name][3])
    assert not torch.equal(state["head.classifier.weight"][3], start["head.classifier.weight"][2])
    for name, value in without(start, "head.classifier.").items():
        assert torch.equal(state[name], value), name
    assert report.missing == ("head.classifier.weight[glass]", "head.classifier.bias[glass]")
    assert report.left_over == ()
    assert "model 'before': " in report.text()
    assert "2 of head" in report.text()
    assert "renamed" not in report.text()


def test_fewer_and_reordered_classes_are_found_by_name(tmp_path: Path) -> None:
    start = kept(tmp_path, PLAIN)
    model = fresh(replace(PLAIN, num_classes=2), 2)
    assert continue_from(model, ("sky", "road"), tmp_path).missing == ()
    weight, bias = model.head.classifier.weight, model.head.classifier.bias
    assert torch.equal(weight, start["head.classifier.weight"][[2, 0]])
    assert torch.equal(bias, start["head.classifier.bias"][[2, 0]])


def test_classes_that_are_all_new_leave_the_classifier_fresh(tmp_path: Path) -> None:
    kept(tmp_path, PLAIN)
    model = fresh(PLAIN, 2)
    new = model.head.classifier.weight.detach().clone()
    report = continue_from(model, ("a", "b", "c"), tmp_path)
    assert torch.equal(model.head.classifier.weight, new)
    assert report.missing == ("head.classifier.weight", "head.classifier.bias")
    assert "head.classifier.weight" in {entry.name for entry in report.left_over}


def test_prompts_go_by_the_sensors_name(tmp_path: Path) -> None:
    config = replace(THERMAL, modalities=("depth", "thermal"))
    start = kept(tmp_path, config)
    model = fresh(replace(config, modalities=("thermal", "event", "depth")), 2)
    new = {k: v.clone() for k, v in model.state_dict().items()}
    report = continue_from(model, NAMES, tmp_path)
    state = model.state_dict()
    # Rows: RGB, absent X, and the sensors in the order that each model names them.
    for name in (f"modality_embedding.{i}.prompts" for i in range(4)):
        assert torch.equal(state[name][[0, 1, 2, 4]], start[name][[0, 1, 3, 2]])
        assert torch.equal(state[name][3], new[name][3])
        assert f"{name}[event]" in report.missing
    assert len(report.missing) == 4


def test_the_vectors_that_stand_in_for_ma_clip_go_by_the_sensors_name(tmp_path: Path) -> None:
    config = replace(THERMAL, components=("dsrm",))
    start = kept(tmp_path, config)["modality_vectors.vectors"]
    model = fresh(replace(config, modalities=("event", "thermal")), 2)
    report = continue_from(model, NAMES, tmp_path)
    vectors = model.state_dict()["modality_vectors.vectors"]
    assert torch.equal(vectors[[0, 1, 3]], start)
    assert report.missing == ("modality_vectors.vectors[event]",)


@pytest.mark.parametrize("embeddings", [False, True])
def test_shared_streams_fill_both_of_a_model_without(tmp_path: Path, embeddings: bool) -> None:
    start = kept(tmp_path, replace(PLAIN, shared_embeddings=embeddings))
    model = fresh(replace(PLAIN, shared_blocks=False), 2)
    report = continue_from(model, NAMES, tmp_path)
    assert report.missing == ()
    assert "renamed: encoder.stages.0." in report.text()
    state = model.state_dict()
    for i in range(4):
        block = f"encoder.stages.{i}.blocks.{{}}.0.attn.q.weight"
        for stream in (0, 1):
            assert torch.equal(state[block.format(stream)], start[block.format(0)])
            norm = f"encoder.stages.{i}.norms.{{}}.weight"
            given = start[norm.format(0 if embeddings else stream)]
            assert torch.equal(state[norm.format(stream)], given)


def test_one_stream_of_two_is_taken_where_the_model_shares(tmp_path: Path) -> None:
    start = kept(tmp_path, replace(PLAIN, shared_blocks=False))
    model = fresh(PLAIN, 2)
    report = continue_from(model, NAMES, tmp_path)
    name = "encoder.stages.2.blocks.0.1.mlp.fc1.weight"
    assert torch.equal(model.state_dict()[name], start[name])
    assert report.missing == ()
    left = {entry.name for entry in report.left_over}
    assert left == {n for n in start if ".blocks.1." in n}


def test_parts_that_the_start_lacks_stay_fresh_and_are_said(tmp_path: Path) -> None:
    start = kept(tmp_path, PLAIN)
    model = fresh(THERMAL, 2)
    new = {k: v.clone() for k, v in model.state_dict().items()}
    report = continue_from(model, NAMES, tmp_path)
    parts = ("ma_clip.", "modality_embedding.", "dsrm.")
    assert set(report.missing) == {n for n in new if n.startswith(parts)}
    for name, value in model.state_dict().items():
        assert torch.equal(value, new[name] if name.startswith(parts) else start[name]), name
    for part in ("ma_clip", "modality_embedding", "dsrm"):
        assert f" of {part}," in report.text()


def test_parts_that_the_model_lacks_are_left_over(tmp_path: Path) -> None:
    start = kept(tmp_path, THERMAL)
    report = continue_from(fresh(PLAIN, 2), NAMES, tmp_path)
    assert report.missing == ()
    assert {entry.name for entry in report.left_over} == start.keys() - fresh(
        PLAIN, 2
    ).state_dict().keys()
    assert {entry.why for entry in report.left_over} == {"this model has no such part"}


def test_another_head_width_leaves_the_head_fresh(tmp_path: Path) -> None:
    start = kept(tmp_path, PLAIN)
    model = fresh(replace(PLAIN, head_width=24), 2)
    report = continue_from(model, NAMES, tmp_path)
    state = model.state_dict()
    assert {"head.classifier.weight", "head.mix.weight"} <= set(report.missing)
    assert all(name.startswith("head.") for name in report.missing)
    assert torch.equal(state["frm.0.channel.0.weight"], start["frm.0.channel.0.weight"])
    why = {entry.name: entry.why for entry in report.left_over}
    assert why["head.mix.weight"] == "of another size here"


def test_rectification_of_another_size_begins_closed(tmp_path: Path) -> None:
    start = kept(tmp_path, PLAIN)
    model = fresh(replace(PLAIN, reduction=2), 2)
    report = continue_from(model, NAMES, tmp_path)
    assert {name.split(".")[2] for name in report.missing} == {"channel"}
    assert report.closed == ("frm",)
    state = model.state_dict()
    assert (state["frm.0.channel.2.bias"] == CLOSED).all()
    assert torch.equal(state["frm.0.spatial.2.bias"], start["frm.0.spatial.2.bias"])


@pytest.mark.parametrize(("theirs", "ours"), [("b1", "b0"), ("b2", "b1"), ("b0", "pvt_v2_b0")])
def test_another_preset_is_refused_in_a_sentence(tmp_path: Path, theirs: str, ours: str) -> None:
    """Also where each tensor would be found, as those of b1 are in b2."""
    if ours.startswith("pvt"):
        pytest.importorskip("timm", reason="PVT v2 needs timm")
    kept(tmp_path, replace(PLAIN, preset=theirs))
    model = fresh(replace(PLAIN, preset=ours), 2)
    before = {k: v.clone() for k, v in model.state_dict().items()}
    words = f"'before' .*preset {theirs}, .* {ours};"
    with pytest.raises(ModelError, match=words):
        continue_from(model, NAMES, tmp_path)
    assert all(torch.equal(v, before[k]) for k, v in model.state_dict().items())


def test_folders_that_are_missing_or_broken_are_said(tmp_path: Path) -> None:
    model = fresh(PLAIN, 2)
    with pytest.raises(ModelError, match=r"absent' was not found"):
        continue_from(model, NAMES, tmp_path / "absent")
    with pytest.raises(ModelError, match=r"no card\.yaml"):
        continue_from(model, NAMES, tmp_path)
    kept(tmp_path / "cut", PLAIN)
    weights = tmp_path / "cut" / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1000])
    with pytest.raises(ModelError, match=r"sha256 .*damaged"):
        continue_from(model, NAMES, tmp_path / "cut")
    weights.unlink()
    with pytest.raises(ModelError, match=r"no model\.safetensors"):
        continue_from(model, NAMES, tmp_path / "cut")
