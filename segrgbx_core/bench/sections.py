# SPDX-License-Identifier: Apache-2.0
"""What `segrgbx bench` measures: the network, a frame around it, and the start of a process.

Each section is a list of cases that are compared before they are timed.
"""

import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from importlib.util import find_spec
from pathlib import Path

import cv2
import numpy as np
import torch

from segrgbx_core.backends.exporting import onnx_of
from segrgbx_core.backends.graph import cached_graph, example
from segrgbx_core.backends.runners import Compiled, Eager, OnnxRuntime, Runner, has_onnxruntime
from segrgbx_core.bench.measuring import Case
from segrgbx_core.bench.plain import PlainCmx
from segrgbx_core.errors import ModelError
from segrgbx_core.model.placement import choose_precision
from segrgbx_core.model.presets import COMPONENTS
from segrgbx_core.model.readout import Sizes, labels_and_confidence, probabilities
from segrgbx_core.model.segrgbx import ModelConfig, NetworkInput, SegRgbX
from segrgbx_core.readings import RgbImage
from segrgbx_core.segmentation import Segmentation
from segrgbx_core.segmenter import Segmenter

SIZE = (480, 640)
CLASSES = 40
# Of the largest logit; float32 sums in another order.
_TOLERANCE = 1e-4
_FIRST_MASK = """
import sys
import numpy as np
from segrgbx_core.segmenter import Segmenter
grey = np.zeros((480, 640, 3), np.uint8)
Segmenter({model!r}, device="cpu")(grey, grey[..., 0], {modality!r})
"""


@dataclass(frozen=True)
class Section:
    """title: what is measured. cases: the first is what the ratios refer to."""

    title: str
    cases: Sequence[Case]


def network(presets: Sequence[str], device: torch.device, folder: Path) -> Iterator[Section]:
    """For each size of Mix Transformer, plain CMX and then ours, batch 1, 40 classes.

    folder: for graphs that onnxruntime runs, where it and the exporter are installed.
    Raises ModelError where ours does not give the plain one's logits.
    """
    for preset in presets:
        torch.manual_seed(0)
        cmx = SegRgbX(ModelConfig(preset, CLASSES, (), False)).eval().to(device)
        full = SegRgbX(ModelConfig(preset, CLASSES, COMPONENTS)).eval().to(device)
        plain, given, whole = PlainCmx(cmx).eval(), example(cmx, SIZE), example(full, SIZE)
        _check_alike(cmx, plain, given)
        for model in (cmx, full):
            model.to(memory_format=torch.channels_last)
        runners: list[tuple[str, Runner, NetworkInput]] = [
            ("ours as CMX", Eager(cmx, "float32", device), _last(given))
        ]
        runners.append(("ours, all parts", Eager(full, "float32", device), _last(whole)))
        if device.type == "cuda":
            half = choose_precision("auto", device)
            runners.append((f"all parts, {half}", Eager(full, half, device), _last(whole)))
            graphs = Compiled(full, half, device)
            runners.append((f"all parts, {half}, compiled", graphs, _last(whole)))
        elif has_onnxruntime() and find_spec("onnxscript") is not None:
            runners.append(("all parts, onnxruntime", _graph(full, folder / preset), whole))
        cases = [Case("plain CMX", _inferring(partial(plain, given.rgb, given.x), device))]
        cases += [Case(name, _inferring(partial(run, v), device)) for name, run, v in runners]
        yield Section(f"network {preset}, {SIZE[1]}x{SIZE[0]}, {device}", cases)


def frame(model: str, images: Sequence[tuple[int, int]]) -> Iterator[Section]:
    """For each image size, the network of a shipped model or folder, then all around it."""
    segmenter = Segmenter(model, device="cpu", backend="eager")
    modality = x_sensor(segmenter)
    for width, height in images:
        rgb = street(height, width)
        x = None if modality is None else np.ascontiguousarray(rgb[..., 0])
        planes, name, _ = segmenter._read(rgb, x, modality)
        tensors = segmenter._tensors(rgb, planes, name)
        with torch.inference_mode():
            given = segmenter._model.prepare(*tensors, name)
            logits = segmenter._run(given)
        shown_at = Sizes((tensors[0].shape[2], tensors[0].shape[3]), (height, width))
        small = shown_at._replace(image=shown_at.network)
        for sizes in (shown_at, small):
            _check_readout(logits, sizes)
        segmentation = segmenter(rgb, x, modality)

        cases = [
            Case("network", _inferring(partial(segmenter._run, given))),
            Case(
                "look at the scene", _inferring(partial(segmenter._model.prepare, *tensors, name))
            ),
            Case("encode X", partial(segmenter._read, rgb, x, modality)),
            Case("resize both", partial(segmenter._tensors, rgb, planes, name)),
            Case(
                "labels and confidence",
                _inferring(partial(labels_and_confidence, logits, shown_at)),
            ),
            Case(
                "the same, network's size",
                _inferring(partial(labels_and_confidence, logits, small)),
            ),
            Case("whole frame", partial(segmenter, rgb, x, modality)),
            Case("mask and overlay", partial(_pictures, segmentation, rgb)),
        ]
        exported = _exported(segmenter, given)
        if exported is not None:
            fast = Case("network, onnxruntime", _inferring(partial(exported, given)))
            cases.insert(1, fast)
        seen = f"{shown_at.network[1]}x{shown_at.network[0]}"
        title = f"frame of {width}x{height}, model {segmenter.card.name}, which sees {seen}"
        yield Section(title, cases)


def _pictures(segmentation: Segmentation, rgb: RgbImage) -> None:
    segmentation.color_mask()
    segmentation.overlay(rgb)


def x_sensor(segmenter: Segmenter) -> str | None:
    """The sensor that is measured with: thermal, else none."""
    return "thermal" if "thermal" in segmenter.card.modalities else None


def start(models: Sequence[tuple[str, str]]) -> Section:
    """Process start to first mask, in processes of their own. models: names and a modality."""
    cases = [Case("python and torch", partial(_process, "import torch"))]
    for model, modality in models:
        code = _FIRST_MASK.format(model=model, modality=modality)
        cases.append(Case(f"first mask, {model}", partial(_process, code)))
    return Section("start of a process", cases)


def street(height: int, width: int) -> RgbImage:
    """An image with large shapes and fine noise, always the same."""
    rng = np.random.default_rng(0)
    coarse = rng.integers(0, 256, (9, 16, 3), dtype=np.uint8)
    image = cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC)
    noise = rng.integers(0, 24, image.shape, dtype=np.uint8)
    return np.asarray(image // 2 + noise, np.uint8)


def _inferring(
    run: Callable[[], object], device: torch.device | None = None
) -> Callable[[], object]:
    def inferred() -> object:
        with torch.inference_mode():
            result = run()
        if device is not None and device.type == "cuda":
            torch.cuda.synchronize(device)
        return result

    return inferred


def _last(given: NetworkInput) -> NetworkInput:
    """With the channels last in memory, as `Segmenter` gives them."""
    rgb, x = (
        image.contiguous(memory_format=torch.channels_last) for image in (given.rgb, given.x)
    )
    return NetworkInput(rgb, x, given.control)


def _check_alike(cmx: SegRgbX, plain: PlainCmx, given: NetworkInput) -> None:
    with torch.inference_mode():
        ours, theirs = cmx(given.rgb, given.x), plain(given.rgb, given.x)
    off = float((ours - theirs).abs().max() / theirs.abs().max())
    if off > _TOLERANCE:
        raise ModelError(f"Ours differs from plain CMX by {off:.1e} of the largest logit.")


def _check_readout(logits: torch.Tensor, sizes: Sizes) -> None:
    with torch.inference_mode():
        labels, confidence = labels_and_confidence(logits, sizes)
        best = probabilities(logits, sizes)[0].max(0)
    off = float((confidence - best.values).abs().max())
    same = float((labels == best.indices).float().mean())
    if off > _TOLERANCE or same < 0.9999:
        raise ModelError(f"Read-out in strips differs: confidence by {off:.1e}, {same:.2%} alike.")


def _graph(model: SegRgbX, file: Path) -> Runner:
    file.write_bytes(onnx_of(model, SIZE))
    runner = OnnxRuntime("onnxruntime", file, torch.device("cpu"))
    _check_close(runner, Eager(model, "float32", torch.device("cpu")), example(model, SIZE))
    return runner


def _exported(segmenter: Segmenter, given: NetworkInput) -> Runner | None:
    """onnxruntime on the exported graph, where both are there, after a comparison."""
    graph = cached_graph(segmenter.card, (given.rgb.shape[2], given.rgb.shape[3]))
    if not has_onnxruntime() or not graph.is_file():
        return None
    runner = OnnxRuntime("onnxruntime", graph, segmenter.device)
    _check_close(runner, Eager(segmenter._model, "float32", segmenter.device), given)
    return runner


def _check_close(runner: Runner, eager: Runner, given: NetworkInput) -> None:
    with torch.inference_mode():
        theirs, ours = runner(given), eager(given)
    off = float((theirs - ours).abs().max() / ours.abs().max())
    if off > 10 * _TOLERANCE:
        raise ModelError(f"{runner.name} differs from torch by {off:.1e} of the largest logit.")


def _process(code: str) -> None:
    """Runs Python code in a new process, without what this one has loaded."""
    subprocess.run([sys.executable, "-c", code], check=True)
