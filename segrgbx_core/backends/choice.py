# SPDX-License-Identifier: Apache-2.0
"""Which backend runs the network: the one that was asked for, or the fastest that agrees."""

import json
import logging
import platform
import time
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from torch import Tensor

from segrgbx_core.backends.graph import cached_graph, example
from segrgbx_core.backends.runners import Compiled, Eager, OnnxRuntime, Runner, has_onnxruntime
from segrgbx_core.errors import InputError, OutputError, guarded
from segrgbx_core.files.disk import write_whole
from segrgbx_core.model.segrgbx import NetworkInput, SegRgbX
from segrgbx_core.weights.card import ModelCard

log = logging.getLogger("segrgbx")

BACKENDS = ("auto", "eager", "compiled", "onnxruntime", "tensorrt")
# Of the pixels of the head's labels.
LEAST_AGREEMENT = 0.999
_TIMED = 3


@dataclass(frozen=True)
class Comparison:
    """A backend beside torch. agreement: share of pixels with the same label, in 0..1."""

    name: str
    agreement: float
    eager_s: float
    other_s: float

    @property
    def taken(self) -> bool:
        """Whether it may replace torch and gains by it."""
        return self.agreement >= LEAST_AGREEMENT and self.other_s < self.eager_s

    def in_words(self) -> str:
        """One sentence."""
        return (
            f"{self.name} takes {self.other_s * 1e3:.0f} ms a frame, torch "
            f"{self.eager_s * 1e3:.0f} ms; {self.agreement:.2%} of the labels are the same."
        )


class _Remembered:
    """What a comparison on this machine found, kept beside the graph, so that later starts need
    none. Another processor, device, number of threads or onnxruntime compares again."""

    def __init__(self, graph: Path, device: torch.device, version: str) -> None:
        self._path = graph.with_suffix(".json")
        self._where = {
            "graph": graph.stat().st_mtime_ns,
            "machine": f"{platform.node()} {platform.processor()} {device}",
            "threads": torch.get_num_threads(),
            "onnxruntime": version,
        }

    def read(self) -> Comparison | None:
        try:
            with guarded("a comparison", InputError, "{}"):
                content = json.loads(self._path.read_text("utf-8"))
                return Comparison(**content["found"]) if content["where"] == self._where else None
        except InputError:
            return None

    def write(self, found: Comparison) -> None:
        text = json.dumps({"where": self._where, "found": asdict(found)})
        # A cache that cannot be written only costs the next start a second.
        with suppress(OutputError):
            write_whole(self._path, text.encode())


class BackendChooser:
    """Runs prepared inputs of batch 1; takes a backend at the first input of each size.

    backend: "auto" takes what is fastest of torch and the exported graph, if there is one for the
    size (`segrgbx export`), and never a graph whose labels differ from torch's in more than 0.1 %
    of the pixels of a check image. Raises InputError for another name, and at the first input for
    a backend that is not installed, lacks its graph, or differs from torch.
    """

    def __init__(
        self, backend: str, model: SegRgbX, card: ModelCard, precision: str, device: torch.device
    ) -> None:
        if backend not in BACKENDS:
            raise InputError(
                f"Backend '{backend}' is unknown; expected one of {', '.join(BACKENDS)}."
            )
        graph = backend in ("onnxruntime", "tensorrt")
        if graph and precision != "float32":
            raise InputError(
                f"Backend {backend} runs exported graphs, which are float32, but precision "
                f"{precision} was asked for; leave one of them out."
            )
        self._backend, self._model, self._card = backend, model, card
        self._precision, self._device = precision, device
        self._eager = Eager(model, precision, device)
        self._runners: dict[tuple[int, int], Runner] = {}

    def __call__(self, given: NetworkInput) -> Tensor:
        """The head's logits (1, C, h, w) float32."""
        size = (given.rgb.shape[2], given.rgb.shape[3])
        if size not in self._runners:
            self._runners[size] = self._runner(size)
        return self._runners[size](given)

    @property
    def name(self) -> str:
        """Those in use; before the first input, the one that was asked for."""
        names = dict.fromkeys(runner.name for runner in self._runners.values())
        return ", ".join(names) or self._backend

    def _runner(self, size: tuple[int, int]) -> Runner:
        if self._backend == "eager":
            return self._eager
        if self._backend == "compiled":
            return Compiled(self._model, self._precision, self._device)
        if self._backend == "auto":
            return self._fastest(size)
        graph = cached_graph(self._card, size)
        if not graph.is_file():
            raise InputError(
                f"Backend {self._backend} has no graph of model '{self._card.name}' for images "
                f"that the network sees at {size[1]}x{size[0]}; write it with `segrgbx export "
                f"{self._card.name} --size WIDTHxHEIGHT`, the size of your images."
            )
        runner = OnnxRuntime(self._backend, graph, self._device)
        agreed = agreement_of(self._eager, runner, example(self._model, size))
        if agreed < LEAST_AGREEMENT:
            raise InputError(
                f"Backend {self._backend} labels {100 * (1 - agreed):.1f} % of a check image "
                "otherwise than torch does on this machine; use backend eager."
            )
        return runner

    def _fastest(self, size: tuple[int, int]) -> Runner:
        exported = self._exported(size)
        if exported is None:
            return self._eager
        graph = cached_graph(self._card, size)
        remembered = _Remembered(graph, self._device, exported.version)
        found = remembered.read()
        if found is None:
            found = compare(self._eager, exported, example(self._model, size))
            remembered.write(found)
        log.info("Backends for %dx%d: %s", size[1], size[0], found.in_words())
        if found.agreement < LEAST_AGREEMENT:
            log.warning("The network runs in torch: %s", found.in_words())
        return exported if found.taken else self._eager

    def _exported(self, size: tuple[int, int]) -> OnnxRuntime | None:
        """The exported graph's backend, if all is there that it needs."""
        if self._card.weights is None or self._precision != "float32" or not has_onnxruntime():
            return None
        graph = cached_graph(self._card, size)
        if not graph.is_file():
            return None
        try:
            return OnnxRuntime("onnxruntime", graph, self._device)
        except InputError as err:
            log.warning("%s The network runs in torch.", err)
            return None


def compare(eager: Runner, other: Runner, given: NetworkInput) -> Comparison:
    """Runs both on the same input; the time is the median of a few runs, on this machine now."""
    agreement = agreement_of(eager, other, given)
    return Comparison(other.name, agreement, _seconds(eager, given), _seconds(other, given))


def agreement_of(eager: Runner, other: Runner, given: NetworkInput) -> float:
    """The share of pixels to which both give the same class."""
    with torch.inference_mode():
        plain, theirs = eager(given), other(given)
    return float((plain.argmax(1) == theirs.argmax(1)).float().mean())


def _seconds(runner: Runner, given: NetworkInput) -> float:
    """The median of a few runs."""
    taken = []
    with torch.inference_mode():
        for _ in range(_TIMED):
            start = time.perf_counter()
            runner(given)
            if given.rgb.device.type == "cuda":
                torch.cuda.synchronize(given.rgb.device)
            taken.append(time.perf_counter() - start)
    return sorted(taken)[_TIMED // 2]
