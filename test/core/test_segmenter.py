# SPDX-License-Identifier: Apache-2.0
"""Segmenter: sizes, modalities, precision, and errors for unusable images."""

import logging
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
import torch

import segrgbx_core
from segrgbx_core import Segmenter, build_model, encode, load_model
from segrgbx_core.errors import InputError, ModelError
from segrgbx_core.labels.label_set import LabelClass, LabelSet
from segrgbx_core.model import Preprocessing
from segrgbx_core.model.placement import choose_device, choose_precision
from segrgbx_core.model.readout import probabilities
from segrgbx_core.readings import Planes
from segrgbx_core.weights.card import ModelCard
from segrgbx_core.weights.store import LoadedModel, save_model

LABELS = LabelSet("tiny", tuple(LabelClass(f"class_{i}", (i, i, i)) for i in range(4)))


def _loaded(modalities: tuple[str, ...] = ("thermal",), side: int | None = None) -> LoadedModel:
    torch.manual_seed(31)
    model = build_model("b0", num_classes=4, head_width=16)
    with torch.no_grad():
        model.head.classifier.weight.normal_()
    card = ModelCard(
        name="tiny",
        description="For tests, not trained.",
        architecture=model.config,
        modalities=modalities,
        label_set=LABELS,
        preprocessing=Preprocessing(short_side=side),
    )
    return LoadedModel(model, card)


@pytest.fixture(scope="module")
def segmenter() -> Segmenter:
    return Segmenter(_loaded())


def _rgb(height: int = 64, width: int = 96) -> npt.NDArray[np.uint8]:
    return np.random.default_rng(1).integers(0, 256, (height, width, 3), np.uint8)


def _thermal(height: int = 64, width: int = 96) -> npt.NDArray[np.uint16]:
    return np.random.default_rng(2).integers(28000, 31000, (height, width), np.uint16)


def test_result_has_the_image_size_and_types(segmenter: Segmenter) -> None:
    rgb = _rgb(70, 101)
    result = segmenter(rgb, _thermal(70, 101), modality="thermal")
    assert result.labels.shape == result.confidence.shape == (70, 101)
    assert result.labels.dtype == np.uint8
    assert result.labels.max() < 4
    assert result.confidence.dtype == np.float32
    assert 0.25 <= result.confidence.min() <= result.confidence.max() <= 1.0
    assert result.modality == "thermal"
    assert result.label_set == segmenter.label_set == LABELS
    assert set(result.timings_ms) == {"encode", "model"}
    assert all(ms > 0 for ms in result.timings_ms.values())
    assert result.overlay(rgb).shape == rgb.shape


def test_masks_of_the_networks_size_are_its_probabilities_there() -> None:
    loaded = _loaded(side=32)
    rgb, thermal = _rgb(64, 96), _thermal(64, 96)
    result = Segmenter(loaded, output_size="network")(rgb, thermal)
    small = Segmenter(loaded)(rgb[::2, ::2], thermal[::2, ::2])
    assert result.labels.shape == result.confidence.shape == small.labels.shape == (32, 48)
    large = Segmenter(loaded)
    shares = large.probabilities(rgb, thermal)[0].shape
    assert shares == (64, 96)
    with torch.inference_mode():
        planes, name, _ = large._read(rgb, thermal, None)
        logits, sizes = large._logits(*large._tensors(rgb, planes, name), name, (32, 48))
        expected = probabilities(logits, sizes)[0].max(0)
    np.testing.assert_allclose(result.confidence, expected.values.numpy(), atol=1e-5)
    assert (result.labels == expected.indices.numpy()).mean() > 0.999
    assert result.overlay(rgb).shape == (32, 48, 3)


def test_an_unknown_output_size_is_named_with_the_choices() -> None:
    with pytest.raises(InputError, match=r"'half' is unknown; expected image or network"):
        Segmenter(_loaded(), output_size="half")


def test_labels_and_confidence_are_those_of_the_logits(segmenter: Segmenter) -> None:
    loaded = _loaded()
    rgb, thermal = _rgb(), _thermal()
    prepare = loaded.card.preprocessing
    planes = encode("thermal", thermal)
    with torch.no_grad():
        logits = loaded.model.eval()(
            prepare.normalise_rgb(torch.from_numpy(rgb).permute(2, 0, 1)[None]),
            prepare.normalise_x(
                torch.from_numpy(planes.data)[None], torch.from_numpy(planes.valid)[None]
            ),
            "thermal",
        )
    shares = logits.softmax(1)[0].numpy()
    result = segmenter(rgb, thermal)
    np.testing.assert_allclose(result.confidence, shares.max(0), atol=1e-3)
    assert (result.labels == shares.argmax(0)).mean() > 0.999


def test_x_changes_the_result_and_its_absence_is_named(segmenter: Segmenter) -> None:
    with_x = segmenter(_rgb(), _thermal(), "thermal")
    alone = segmenter(_rgb(), None, "thermal")
    assert (alone.modality, alone.x_valid) == ("none", None)
    assert (with_x.modality, with_x.x_valid) == ("thermal", 1.0)
    assert not np.array_equal(with_x.confidence, alone.confidence)


def test_a_modality_without_its_reading_is_rgb_alone(segmenter: Segmenter) -> None:
    assert segmenter(_rgb(), None, "thermal").modality == "none"


def test_images_are_neither_changed_nor_need_to_be_writable(segmenter: Segmenter) -> None:
    rgb, thermal = _rgb(), _thermal()
    rgb.setflags(write=False)
    thermal.setflags(write=False)
    segmenter(rgb, thermal)
    segmenter(rgb[:, ::-1], thermal[:, ::-1])
    assert np.array_equal(rgb, _rgb())
    assert np.array_equal(thermal, _thermal())


def test_short_side_shrinks_inside_and_restores_outside() -> None:
    small = Segmenter(_loaded(side=32))
    result = small(_rgb(96, 128), _thermal(48, 64), "thermal")
    assert result.labels.shape == (96, 128)
    native = Segmenter(_loaded())(_rgb(96, 128), _thermal(48, 64), "thermal")
    assert not np.array_equal(result.confidence, native.confidence)


def test_x_of_half_the_size_is_resized(segmenter: Segmenter) -> None:
    even = np.full((32, 48), 29000, np.uint16)
    even[:, 24:] = 30000
    large = np.repeat(np.repeat(even, 2, 0), 2, 1)
    half, full = (segmenter(_rgb(), x, "thermal") for x in (even, large))
    assert (half.labels == full.labels).mean() > 0.9


@pytest.mark.parametrize("shape", [(64, 97), (64, 95)])
def test_x_within_two_percent_of_the_aspect_is_taken(
    segmenter: Segmenter, shape: tuple[int, int]
) -> None:
    assert segmenter(_rgb(), _thermal(*shape)).labels.shape == (64, 96)


def test_x_of_another_aspect_is_refused_in_words(segmenter: Segmenter) -> None:
    with pytest.raises(InputError) as caught:
        segmenter(_rgb(), _thermal(64, 64))
    for word in ("thermal", "64x64", "96x64", "2 %", "crop or register"):
        assert word in str(caught.value)


def test_nan_in_x_is_invalid_counted_and_harmless(segmenter: Segmenter) -> None:
    x = np.linspace(280.0, 300.0, 64 * 96, dtype=np.float32).reshape(64, 96)
    x[:16] = np.nan
    result = segmenter(_rgb(), x)
    assert np.isfinite(result.confidence).all()
    assert result.x_valid == 0.75


def test_x_without_a_valid_pixel_is_refused(segmenter: Segmenter) -> None:
    with pytest.raises(InputError, match="no valid pixel"):
        segmenter(_rgb(), np.full((64, 96), np.nan, np.float32))


@pytest.mark.parametrize(
    ("rgb", "sentence"),
    [
        (np.zeros((8, 9), np.uint8), r"grey, .*\(8, 9\); .*\(height, width, 3\)"),
        (np.zeros((8, 9, 1), np.uint8), "is grey"),
        (np.zeros((8, 9, 4), np.uint8), r"four channels, .*image\[\.\.\., :3\]"),
        (np.zeros((8, 9, 2), np.uint8), r"shape \(8, 9, 2\); expected"),
        (np.zeros((0, 9, 3), np.uint8), r"shape \(0, 9, 3\); expected"),
        (np.zeros((8, 9, 3), np.float32), "float32; expected uint8"),
        (np.zeros((8, 9, 3), np.uint16), "type uint16; expected uint8"),
        ([[1, 2, 3]], "is a list; .*numpy array"),
    ],
)
def test_wrong_rgb_is_refused_in_words(
    segmenter: Segmenter, rgb: npt.NDArray[np.uint8], sentence: str
) -> None:
    with pytest.raises(InputError, match=sentence):
        segmenter(rgb)


def test_planes_already_encoded_are_taken_as_they_are(segmenter: Segmenter) -> None:
    rgb, thermal = _rgb(), _thermal(32, 48)
    planes = encode("thermal", thermal)
    raw, ready = segmenter(rgb, thermal), segmenter(rgb, planes)
    assert np.array_equal(ready.confidence, raw.confidence)
    assert ready.modality == "thermal"
    # Encoding is not the identity, so encoding twice would change the result.
    again = segmenter(rgb, encode("thermal", planes.data[0]))
    assert not np.array_equal(again.confidence, ready.confidence)


def test_planes_may_be_views_and_need_not_be_writable(segmenter: Segmenter) -> None:
    planes = encode("thermal", _thermal())
    mirrored = Planes(planes.data[:, :, ::-1], planes.valid[:, ::-1])
    for array in (planes.data, planes.valid):
        array.setflags(write=False)
    copied = Planes(mirrored.data.copy(), mirrored.valid.copy())
    expected = segmenter(_rgb(), copied)
    assert np.array_equal(segmenter(_rgb(), mirrored).confidence, expected.confidence)
    segmenter(_rgb(), planes)


@pytest.mark.parametrize("size", [(64, 96), (32, 48)])
def test_what_planes_hold_where_invalid_does_not_matter(
    segmenter: Segmenter, size: tuple[int, int]
) -> None:
    planes = encode("thermal", _thermal(*size))
    valid = planes.valid.copy()
    valid[: size[0] // 2] = False
    zero, one = (
        segmenter(_rgb(), Planes(np.where(valid, planes.data, fill).astype(np.float32), valid))
        for fill in (0.0, 1.0)
    )
    np.testing.assert_allclose(zero.confidence, one.confidence, atol=1e-6)
    assert not np.array_equal(zero.confidence, segmenter(_rgb(), planes).confidence)


def test_planes_without_a_valid_pixel_are_no_x(segmenter: Segmenter) -> None:
    empty = Planes(np.zeros((3, 64, 96), np.float32), np.zeros((64, 96), np.bool_))
    result = segmenter(_rgb(), empty, "thermal")
    assert (result.modality, result.x_valid) == ("none", 0.0)
    assert np.array_equal(result.labels, segmenter(_rgb()).labels)


ONES = np.ones((64, 96), np.bool_)


@pytest.mark.parametrize(
    ("planes", "sentence"),
    [
        (
            Planes(np.zeros((64, 96), np.float32), ONES),
            r"thermal .*\(64, 96\) and validity \(64, 96\); .*\(3, height",
        ),
        (
            Planes(np.zeros((3, 64, 95), np.float32), ONES),
            r"\(3, 64, 95\) and validity \(64, 96\)",
        ),
        (Planes(np.zeros((3, 0, 0), np.float32), ONES[:0, :0]), r"shape \(3, 0, 0\)"),
        (Planes(np.zeros((3, 64, 96)), ONES), "float64 and validity bool; .*float32"),  # type: ignore[arg-type]
        (
            Planes(np.full((3, 64, 96), np.nan, np.float32), ONES),
            "18432 values .*not finite; .*invalid",
        ),
        (Planes(np.full((3, 64, 96), 255, np.float32), ONES), "from 255 to 255; expected 0..1"),
        (Planes(np.full((3, 64, 96), -0.1, np.float32), ONES), "from -0.1 to -0.1; expected 0..1"),
        (Planes(np.full((3, 64, 96), np.inf, np.float32), ONES), "18432 values .*not finite"),
        (Planes(np.zeros((3, 64, 64), np.float32), ONES[:, :64]), "64x64 .* crop or register"),
    ],
)
def test_wrong_planes_are_refused_in_words(
    segmenter: Segmenter, planes: Planes, sentence: str
) -> None:
    with pytest.raises(InputError, match=sentence):
        segmenter(_rgb(), planes)


def test_planes_keep_the_rules_of_modalities(segmenter: Segmenter) -> None:
    planes = encode("thermal", _thermal())
    with pytest.raises(ModelError, match="thermal, not with depth"):
        segmenter(_rgb(), planes, "depth")
    with pytest.raises(InputError, match=r"trained with: thermal, depth"):
        Segmenter(_loaded(("thermal", "depth")))(_rgb(), planes)


def test_modality_may_be_left_out_only_where_there_is_one(segmenter: Segmenter) -> None:
    assert segmenter(_rgb(), _thermal()).modality == "thermal"
    with pytest.raises(InputError, match=r"trained with: thermal, depth"):
        Segmenter(_loaded(("thermal", "depth")))(_rgb(), _thermal())
    with pytest.raises(InputError, match="RGB alone"):
        Segmenter(_loaded(()))(_rgb(), _thermal())


def test_none_names_the_absence_of_x(segmenter: Segmenter) -> None:
    rgb = _rgb()
    alone = segmenter(rgb, None, "none")
    assert alone.modality == "none"
    assert np.array_equal(alone.labels, segmenter(rgb).labels)
    with pytest.raises(InputError, match="modality 'none';"):
        segmenter(rgb, _thermal(), "none")


def test_modality_not_trained_for_is_refused(segmenter: Segmenter) -> None:
    with pytest.raises(ModelError, match="thermal, not with depth"):
        segmenter(_rgb(), _thermal(), "depth")
    with pytest.raises(InputError, match="'sonar' is unknown"):
        segmenter(_rgb(), None, "sonar")


def test_warm_up_runs_and_leaves_results_alone(segmenter: Segmenter) -> None:
    before = segmenter(_rgb(), _thermal())
    segmenter.warm_up(2, (64, 96))
    assert np.array_equal(segmenter(_rgb(), _thermal()).labels, before.labels)
    Segmenter(_loaded((), side=32)).warm_up(1, (64, 96))


def test_auto_takes_float32_on_the_cpu_and_leaves_the_threads() -> None:
    threads = torch.get_num_threads()
    chosen = Segmenter(_loaded(), device="cpu")
    assert (chosen.device.type, chosen.precision) == ("cpu", "float32")
    assert torch.get_num_threads() == threads


def test_bf16_on_the_cpu_is_taken_with_a_warning(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING, logger="segrgbx"):
        low = Segmenter(_loaded(), device="cpu", precision="bf16")
    assert "bf16 on the CPU" in caplog.text
    exact = Segmenter(_loaded(), device="cpu")(_rgb(32, 32), _thermal(32, 32))
    close = low(_rgb(32, 32), _thermal(32, 32))
    assert np.abs(close.confidence - exact.confidence).mean() < 0.05


def test_unknown_device_and_precision_are_refused_in_words() -> None:
    with pytest.raises(InputError, match=r"'gpu' is unknown; .*auto, cpu, cuda"):
        choose_device("gpu")
    with pytest.raises(InputError, match="'mps' is not supported"):
        choose_device("mps")
    with pytest.raises(InputError, match=r"'cuda:99' .*[0-9]+ CUDA devices"):
        choose_device("cuda:99")
    with pytest.raises(InputError, match=r"'int4' is unknown; .*auto, float32"):
        choose_precision("int4", torch.device("cpu"))


@pytest.mark.parametrize(("capability", "expected"), [((9, 0), "bf16"), ((7, 5), "fp16")])
def test_auto_precision_on_cuda_follows_the_capability(
    monkeypatch: pytest.MonkeyPatch, capability: tuple[int, int], expected: str
) -> None:
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda _: capability)
    assert choose_precision("auto", torch.device("cuda")) == expected


def test_weights_that_give_no_numbers_are_reported() -> None:
    loaded = _loaded()
    with torch.no_grad():
        loaded.model.head.classifier.bias[0] = float("nan")
    with pytest.raises(ModelError, match="not numbers in float32"):
        Segmenter(loaded)(_rgb())


def test_saved_folder_segments_like_the_model(tmp_path: Path, segmenter: Segmenter) -> None:
    loaded = _loaded()
    save_model(tmp_path, loaded.model, replace(loaded.card, name="kept"), dtype=torch.float32)
    kept = Segmenter(tmp_path)
    assert kept.card == load_model(tmp_path).card
    expected = segmenter(_rgb(), _thermal())
    assert np.array_equal(kept(_rgb(), _thermal()).labels, expected.labels)


def test_unknown_model_names_the_way_out() -> None:
    with pytest.raises(ModelError, match="'nowhere/at/all' was not found; shipped"):
        Segmenter("nowhere/at/all")


def test_importing_the_package_does_not_import_torch_or_ros() -> None:
    code = (
        "import sys, segrgbx_core; segrgbx_core.__all__; "
        "sys.exit(any(m in sys.modules for m in ('torch', 'rclpy', 'rosbags')))"
    )
    root = Path(segrgbx_core.__file__).parents[1]
    assert subprocess.run([sys.executable, "-c", code], cwd=root, check=False).returncode == 0
    with pytest.raises(AttributeError, match="no attribute 'segment'"):
        _ = segrgbx_core.segment
    assert all(hasattr(segrgbx_core, name) for name in segrgbx_core.__all__)


def test_a_model_over_a_union_answers_in_the_set_asked_for(tmp_path: Path) -> None:
    (tmp_path / "union.yaml").write_text(
        "classes:\n" + "".join(f"- {{name: class_{i}, color: [0, 0, {i}]}}\n" for i in range(4))
    )
    path = tmp_path / "part.yaml"
    path.write_text(
        "unified: union.yaml\nclasses:\n- {name: low, color: [1, 1, 1], meets: class_0}\n"
        "- {name: high, color: [2, 2, 2], meets: [class_2, class_3]}\n"
    )
    loaded = _loaded()
    segmenter = Segmenter(loaded, label_set=path)
    result = segmenter(_rgb(), _thermal())
    assert result.label_set.names == segmenter.label_set.names == ("low", "high")
    assert set(np.unique(result.labels)) <= {0, 1}
    # Where the whole model prefers class 2 or 3 to class 0, so does their sum.
    whole = Segmenter(loaded)(_rgb(), _thermal())
    assert (result.labels[np.isin(whole.labels, [2, 3])] == 1).all()


def test_a_label_set_of_another_union_is_refused() -> None:
    with pytest.raises(ModelError, match=r"'tiny', but label set 'mfnet'"):
        Segmenter(_loaded(), label_set="mfnet")


def test_input_that_is_not_finite_is_told_from_a_model_that_is_not(segmenter: Segmenter) -> None:
    grey = torch.zeros(1, 3, 32, 32)
    bad = grey.clone()
    bad[0, 0, 1, 1] = float("nan")
    with pytest.raises(InputError, match="0 in rgb and 1 in x"):
        segmenter._infer(grey, bad, "thermal", (32, 32))
