# SPDX-License-Identifier: Apache-2.0
"""Backends of the network: exported graphs held against torch, and which one is taken."""

import json
import logging
from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
import torch
from torch import Tensor

from segrgbx_core.backends import choice
from segrgbx_core.backends.choice import BackendChooser, compare
from segrgbx_core.backends.exporting import export_model
from segrgbx_core.backends.graph import cached_graph, example, padded
from segrgbx_core.backends.runners import Eager, OnnxRuntime
from segrgbx_core.errors import InputError, ModelError
from segrgbx_core.labels.label_set import LabelClass, LabelSet
from segrgbx_core.model import ModelConfig, Preprocessing, SegRgbX
from segrgbx_core.model.presets import COMPONENTS
from segrgbx_core.model.segrgbx import NetworkInput
from segrgbx_core.scene_cache import SceneRefresh
from segrgbx_core.segmenter import Segmenter
from segrgbx_core.weights.card import ModelCard
from segrgbx_core.weights.store import LoadedModel, load_model, save_model
from segrgbx_ros.cli import main

Awake = Callable[[ModelConfig], SegRgbX]
IMAGE = (60, 90)
CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, awake: Awake) -> Path:
    """A small model of two sensors with all parts, whose short side is 48."""
    config = ModelConfig(
        "efficientnet_lite0", 5, COMPONENTS, head_width=16, modalities=("thermal", "depth")
    )
    place = tmp_path_factory.mktemp("model")
    labels = LabelSet("five", tuple(LabelClass(f"class_{i}", (i, i, i)) for i in range(5)))
    card = ModelCard(
        "small",
        "Untrained.",
        config,
        ("thermal", "depth"),
        labels,
        preprocessing=Preprocessing(short_side=48),
    )
    save_model(place, awake(config), card)
    return place


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(autouse=True)
def _cached_there(monkeypatch: pytest.MonkeyPatch, cache: Path) -> None:
    monkeypatch.setenv("SEGRGBX_CACHE", str(cache))


@pytest.fixture(scope="module")
def exported(folder: Path, cache: Path) -> LoadedModel:
    """The model, exported for IMAGE."""
    for package in ("onnxscript", "onnxruntime"):
        pytest.importorskip(package, reason=f"{package} is not installed; it is in extra onnx")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SEGRGBX_CACHE", str(cache))
        size = f"{IMAGE[1]}x{IMAGE[0]}"
        arguments = ["export", str(folder), "--size", size, "--out", str(cache / "files")]
        assert main(arguments) == 0
    return load_model(folder)


def pair(seed: int = 0) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.uint8]]:
    rng = np.random.default_rng(seed)
    return (
        rng.integers(0, 256, (*IMAGE, 3), dtype=np.uint8),
        rng.integers(1, 256, IMAGE, dtype=np.uint8),
    )


@pytest.mark.parametrize("modality", ["thermal", "depth", "none"])
def test_the_exported_graph_gives_what_torch_gives(exported: LoadedModel, modality: str) -> None:
    plain = Segmenter(exported, device="cpu", backend="eager")
    fast = Segmenter(exported, device="cpu", backend="onnxruntime")
    for seed in range(2):
        rgb, x = pair(seed)
        reading = None if modality == "none" else x if modality == "thermal" else x * np.uint16(40)
        name = None if modality == "none" else modality
        expected, got = plain(rgb, reading, name), fast(rgb, reading, name)
        np.testing.assert_allclose(got.confidence, expected.confidence, atol=1e-4)
        assert (got.labels == expected.labels).mean() >= choice.LEAST_AGREEMENT
    assert (plain.backend, fast.backend) == ("eager", "onnxruntime")


@pytest.mark.slow
def test_compiled_gives_what_torch_gives(folder: Path) -> None:
    loaded = load_model(folder)
    plain = Segmenter(loaded, device="cpu", backend="eager")
    compiled = Segmenter(load_model(folder), device="cpu", backend="compiled")
    for seed, modality in enumerate(("thermal", "depth", None)):
        rgb, x = pair(seed)
        reading = None if modality is None else x if modality == "thermal" else x * np.uint16(40)
        expected, got = plain(rgb, reading, modality), compiled(rgb, reading, modality)
        np.testing.assert_allclose(got.confidence, expected.confidence, atol=1e-4)
        assert (got.labels == expected.labels).mean() >= choice.LEAST_AGREEMENT
    assert compiled.backend == "compiled"


def test_a_video_shares_its_scene_on_an_exported_graph_too(
    exported: LoadedModel,
) -> None:
    refresh = SceneRefresh(every=10)
    answers = [
        Segmenter(exported, "cpu", scene_refresh=refresh, backend=backend)
        for backend in ("eager", "onnxruntime")
    ]
    for seed in range(3):
        expected, got = (segmenter(*pair(seed), "thermal") for segmenter in answers)
        np.testing.assert_allclose(got.confidence, expected.confidence, atol=1e-4)


def test_the_files_for_other_programs_say_what_goes_in(exported: LoadedModel, cache: Path) -> None:
    files = {path.suffix: path for path in (cache / "files").iterdir()}
    assert {path.stem for path in files.values()} == {"small_48x72"}
    about = json.loads(files[".json"].read_text())
    assert about["inputs"]["rgb"]["shape"] == [1, 3, 64, 96]
    assert about["row"] == {"none": 1, "thermal": 2, "depth": 3}
    given = example(exported.model, (64, 96))
    program = torch.export.load(files[".pt2"]).module()
    assert given.control is not None
    arguments = (given.rgb, given.x, given.control.rows, *given.control.scene)
    with torch.no_grad():
        torch.testing.assert_close(
            program(*arguments), exported.model.run(given), atol=1e-4, rtol=1e-4
        )


class Wrong:
    """A backend that gives other labels."""

    name, version = "onnxruntime", "wrong"

    def __init__(self, *_: object) -> None:
        pass

    def __call__(self, given: NetworkInput) -> Tensor:
        height, width = (length // 4 for length in given.rgb.shape[2:])
        return torch.arange(5.0)[None, :, None, None].expand(1, 5, height, width)


def test_a_backend_that_disagrees_is_never_taken(
    exported: LoadedModel,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(choice, "OnnxRuntime", Wrong)
    expected = Segmenter(exported, device="cpu", backend="eager")(*pair(), "thermal")
    careful = Segmenter(exported, device="cpu")
    with caplog.at_level(logging.WARNING, "segrgbx"):
        got = careful(*pair(), "thermal")
    assert careful.backend == "eager"
    np.testing.assert_array_equal(got.labels, expected.labels)
    assert "The network runs in torch" in caplog.text
    with pytest.raises(InputError, match=r"otherwise than torch does .* use backend eager"):
        Segmenter(exported, device="cpu", backend="onnxruntime")(*pair(), "thermal")


@pytest.fixture
def nothing_remembered(cache: Path) -> None:
    for path in cache.glob("graphs/*/*.json"):
        path.unlink()


@pytest.mark.usefixtures("nothing_remembered")
def test_what_was_found_is_remembered(
    exported: LoadedModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = example(exported.model, (64, 96))
    calls: list[str] = []
    found = choice.Comparison("onnxruntime", 1.0, 2.0, 1.0)
    monkeypatch.setattr(choice, "compare", lambda *_: calls.append("compared") or found)
    for threads in (1, 1, 3):
        before = torch.get_num_threads()
        torch.set_num_threads(threads)
        chooser = BackendChooser("auto", exported.model, exported.card, "float32", CPU)
        chooser(given)
        torch.set_num_threads(before)
        assert chooser.name == "onnxruntime"
    assert calls == ["compared"] * 2  # 3 threads are another case


@pytest.mark.usefixtures("nothing_remembered")
@pytest.mark.parametrize(("faster", "taken"), [(True, "onnxruntime"), (False, "eager")])
def test_auto_takes_the_faster_of_two_that_agree(
    exported: LoadedModel, monkeypatch: pytest.MonkeyPatch, faster: bool, taken: str
) -> None:
    seconds = {"eager": 1.0, "onnxruntime": 0.5 if faster else 2.0}
    monkeypatch.setattr(choice, "_seconds", lambda runner, _: seconds[runner.name])
    chooser = BackendChooser("auto", exported.model, exported.card, "float32", CPU)
    assert chooser.name == "auto"
    chooser(example(exported.model, (64, 96)))
    assert chooser.name == taken


def test_a_comparison_says_both_times(exported: LoadedModel) -> None:
    eager = Eager(exported.model, "float32", CPU)
    other = OnnxRuntime("onnxruntime", cached_graph(exported.card, (64, 96)), CPU)
    found = compare(eager, other, example(exported.model, (64, 96)))
    assert found.agreement > choice.LEAST_AGREEMENT
    assert "onnxruntime takes" in found.in_words()


def test_without_a_graph_auto_is_torch_and_onnxruntime_names_the_command(folder: Path) -> None:
    rgb = np.zeros((48, 200, 3), np.uint8)
    auto = Segmenter(folder, device="cpu")
    auto(rgb)
    assert auto.backend == "eager"
    with pytest.raises(InputError, match=r"224x64; write it with `segrgbx export small --size"):
        Segmenter(folder, device="cpu", backend="onnxruntime")(rgb)


def test_weights_and_size_are_part_of_the_graphs_name(folder: Path) -> None:
    card = load_model(folder).card
    assert cached_graph(card, (64, 96)) != cached_graph(load_model("demo").card, (64, 96))
    assert cached_graph(card, (64, 96)) != cached_graph(card, (96, 64))
    assert padded((48, 72)) == (64, 96)


def test_what_cannot_run_is_refused_in_a_sentence(folder: Path, tmp_path: Path) -> None:
    loaded = load_model(folder)
    with pytest.raises(InputError, match="Backend 'fast' is unknown; expected one of auto, eager"):
        Segmenter(loaded, device="cpu", backend="fast")
    with pytest.raises(InputError, match="exported graphs, which are float32, but precision bf16"):
        Segmenter(loaded, device="cpu", precision="bf16", backend="onnxruntime")
    with pytest.raises(InputError, match="9000x10; expected sides of 1 to 8192"):
        export_model(loaded, (10, 9000))
    card = ModelCard("new", "", loaded.model.config, (), loaded.card.label_set)
    unsaved = LoadedModel(loaded.model, card)
    with pytest.raises(ModelError, match="has not been saved"):
        export_model(unsaved, IMAGE)
    pytest.importorskip("onnxruntime", reason="onnxruntime is not installed; it is in extra onnx")
    broken = tmp_path / "broken.onnx"
    broken.write_bytes(b"no graph")
    with pytest.raises(InputError, match=r"onnxruntime refuses .*broken\.onnx .* export it again"):
        OnnxRuntime("onnxruntime", broken, CPU)
    with pytest.raises(InputError, match="Backend tensorrt does not run on cpu"):
        OnnxRuntime("tensorrt", broken, CPU)
