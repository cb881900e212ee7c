# SPDX-License-Identifier: Apache-2.0
"""The device and precision that a model runs on, and what this machine offers."""

import logging
import os
import platform
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass

import torch

from segrgbx_core.errors import InputError

log = logging.getLogger("segrgbx")

PRECISIONS = {"float32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}


def choose_device(name: str = "auto") -> torch.device:
    """The named device; "auto" takes CUDA where it is available and the CPU otherwise.

    Raises InputError for a name that is not a device, or a device this machine does not have.
    """
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
    except RuntimeError as err:
        raise InputError(
            f"Device '{name}' is unknown; expected auto, cpu, cuda or cuda:N."
        ) from err
    if device.type not in ("cpu", "cuda"):
        raise InputError(f"Device '{name}' is not supported; expected auto, cpu, cuda or cuda:N.")
    count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if device.type == "cuda" and (device.index or 0) >= count:
        raise InputError(
            f"Device '{name}' was asked for, but torch {torch.__version__} sees {count} CUDA "
            "devices here; use device=cpu or auto, or install a CUDA build of torch."
        )
    return device


def choose_precision(name: str, device: torch.device) -> str:
    """ "float32", "bf16" or "fp16"; "auto" takes the fastest one that the device supports well:
    float32 on the CPU, bf16 on CUDA devices of compute capability 8 and above, fp16 on older ones.

    Raises InputError for another name.
    """
    if name == "auto":
        if device.type == "cpu":
            return "float32"
        return "bf16" if torch.cuda.get_device_capability(device)[0] >= 8 else "fp16"
    if name not in PRECISIONS:
        raise InputError(f"Precision '{name}' is unknown; expected auto, {', '.join(PRECISIONS)}.")
    if device.type == "cpu" and name != "float32":
        log.warning(
            "Precision %s on the CPU can be hundreds of times slower than float32 where the "
            "processor lacks the instructions; float32 is the safe choice there.",
            name,
        )
    return name


def autocast(precision: str, device: torch.device) -> AbstractContextManager[object]:
    """The context in which torch runs the model in that precision."""
    if precision == "float32":
        return nullcontext()
    return torch.autocast(device.type, dtype=PRECISIONS[precision])


@dataclass(frozen=True)
class MachineFacts:
    """cpu_cores: those this process may use. cuda_*: of the first device, None without one.

    device, precision: what "auto" selects here.
    """

    python: str
    torch: str
    cpu_cores: int
    torch_threads: int
    cuda_name: str | None
    cuda_memory_bytes: int | None
    device: str
    precision: str


def this_machine() -> MachineFacts:
    """This machine, as the operating system and torch report it."""
    device = choose_device("auto")
    name = memory = None
    if device.type == "cuda":
        properties = torch.cuda.get_device_properties(device)
        name, memory = properties.name, properties.total_memory
    affinity = getattr(os, "sched_getaffinity", None)
    return MachineFacts(
        python=platform.python_version(),
        torch=torch.__version__,
        cpu_cores=len(affinity(0)) if affinity is not None else os.cpu_count() or 1,
        torch_threads=torch.get_num_threads(),
        cuda_name=name,
        cuda_memory_bytes=memory,
        device=str(device),
        precision=choose_precision("auto", device),
    )
