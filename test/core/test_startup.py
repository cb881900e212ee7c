# SPDX-License-Identifier: Apache-2.0
"""What a process loads before its first mask."""

import subprocess
import sys

import pytest

# Each takes a tenth of a second to more than one, and none is needed to segment.
NEEDLESS = (
    "matplotlib",
    "open_clip",
    "peft",
    "rosbags",
    "sympy",
    "timm",
    "torch._dynamo",
    "torch._inductor",
    "torch.utils.flop_counter",
    "torchmetrics",
    "torchvision",
    "transformers",
    "triton",
)
PROGRAM = """
import sys
import torch
with_torch = set(sys.modules)
import numpy as np
from segrgbx_core.segmenter import Segmenter
grey = np.zeros((48, 64, 3), np.uint8)
Segmenter({model!r}, device="cpu")(grey, grey[..., 0], "thermal")
print(*sorted(set(sys.modules) - with_torch))
"""


@pytest.mark.parametrize("model", ["demo", "real"])
def test_the_first_mask_loads_nothing_that_it_does_not_need(model: str) -> None:
    code = PROGRAM.format(model=model)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = set(done.stdout.split())
    assert "segrgbx_core.segmenter" in loaded
    assert loaded.isdisjoint(NEEDLESS), sorted(loaded & set(NEEDLESS))
