# SPDX-License-Identifier: Apache-2.0
"""What this machine offers a model."""

import os
import platform
from dataclasses import dataclass

import torch

from segrgbx_core.model.placement import choose_device, choose_precision


@dataclass(frozen=True)
class Machine:
    """cpu_cores: those this process may use. cuda_*: of the first device, None without one.

    device, precision: what "auto" comes to here.
    """

    python: str
    torch: str
    cpu_cores: int
    torch_threads: int
    cuda_name: str | None
    cuda_memory_bytes: int | None
    device: str
    precision: str


def this_machine() -> Machine:
    """Asks the operating system and torch."""
    device = choose_device("auto")
    name = memory = None
    if device.type == "cuda":
        properties = torch.cuda.get_device_properties(device)
        name, memory = properties.name, properties.total_memory
    affinity = getattr(os, "sched_getaffinity", None)
    return Machine(
        python=platform.python_version(),
        torch=torch.__version__,
        cpu_cores=len(affinity(0)) if affinity is not None else os.cpu_count() or 1,
        torch_threads=torch.get_num_threads(),
        cuda_name=name,
        cuda_memory_bytes=memory,
        device=str(device),
        precision=choose_precision("auto", device),
    )
