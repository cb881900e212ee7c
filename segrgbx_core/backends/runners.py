# SPDX-License-Identifier: Apache-2.0
"""The backends themselves: each runs a prepared input of batch 1 to the head's logits."""

from importlib.util import find_spec
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import Tensor

from segrgbx_core.backends.graph import OUTPUT, Graph, tensors_of
from segrgbx_core.errors import InputError, guarded
from segrgbx_core.model.placement import autocast
from segrgbx_core.model.segrgbx import NetworkInput, SegRgbX

# onnxruntime's own names, the fastest first; what one cannot run, the next does.
PROVIDERS = {
    ("onnxruntime", "cpu"): ("CPUExecutionProvider",),
    ("onnxruntime", "cuda"): ("CUDAExecutionProvider", "CPUExecutionProvider"),
    ("tensorrt", "cuda"): (
        "TensorrtExecutionProvider",
        "CUDAExecutionProvider",
        "CPUExecutionProvider",
    ),
}


class Runner(Protocol):
    """Runs the network. name: of the backend."""

    @property
    def name(self) -> str: ...

    def __call__(self, given: NetworkInput) -> Tensor:
        """The head's logits (1, C, h, w) float32, on the input's device."""
        ...


class Eager:
    """torch as it is, in any precision; what the others are held against."""

    name = "eager"

    def __init__(self, model: SegRgbX, precision: str, device: torch.device) -> None:
        self._model, self._precision, self._device = model, precision, device

    def __call__(self, given: NetworkInput) -> Tensor:
        """See Runner."""
        with autocast(self._precision, self._device):
            return self._model.run(given).float()


class Compiled:
    """`torch.compile`; on a GPU with CUDA graphs. The first call of a size takes a minute or more,
    and on a CPU needs a C++ compiler."""

    name = "compiled"

    def __init__(self, model: SegRgbX, precision: str, device: torch.device) -> None:
        self._precision, self._device = precision, device
        mode = "reduce-overhead" if device.type == "cuda" else None
        self._graph = torch.compile(Graph(model), dynamic=False, mode=mode)

    def __call__(self, given: NetworkInput) -> Tensor:
        """See Runner."""
        with autocast(self._precision, self._device):
            # A CUDA graph writes its result to the same memory each time.
            logits: Tensor = self._graph(**tensors_of(given)).float().clone()
        return logits


class OnnxRuntime:
    """onnxruntime on an exported graph. version: onnxruntime's.

    Raises InputError where onnxruntime or the first provider is missing, or it refuses the file.
    """

    def __init__(self, name: str, graph: Path, device: torch.device) -> None:
        self.name = name
        providers = PROVIDERS.get((name, device.type))
        if providers is None:
            raise InputError(f"Backend {name} does not run on {device}; choose another device.")
        session = _onnxruntime()
        if providers[0] not in session.get_available_providers():
            raise InputError(
                f"Backend {name} on {device} needs onnxruntime's {providers[0]}, which is not "
                f"installed; there is {', '.join(session.get_available_providers())}."
            )
        self.version = str(session.__version__)
        options = session.SessionOptions()
        options.intra_op_num_threads = torch.get_num_threads()
        options.log_severity_level = 3
        refusal = f"onnxruntime refuses {graph} ({{}}); export it again."
        with guarded(str(graph), InputError, refusal):
            self._session: Any = session.InferenceSession(
                str(graph), options, providers=_with_device(providers, device)
            )

    def __call__(self, given: NetworkInput) -> Tensor:
        """See Runner."""
        arrays = {n: v.contiguous().cpu().numpy() for n, v in tensors_of(given).items()}
        (logits,) = self._session.run([OUTPUT], arrays)
        return torch.from_numpy(logits).to(given.rgb.device)


def has_onnxruntime() -> bool:
    """Whether it is installed; does not import it."""
    return find_spec("onnxruntime") is not None


def _onnxruntime() -> Any:
    try:
        import onnxruntime
    except ImportError as err:
        raise InputError(
            "Backends onnxruntime and tensorrt need the package onnxruntime, which is not "
            "installed; `pip install onnxruntime` (with CUDA: onnxruntime-gpu)."
        ) from err
    return onnxruntime


def _with_device(providers: tuple[str, ...], device: torch.device) -> list[Any]:
    return [
        name if name.startswith("CPU") else (name, {"device_id": device.index or 0})
        for name in providers
    ]
