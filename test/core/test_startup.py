# SPDX-License-Identifier: Apache-2.0
"""What a process loads before its first mask, and what a command on files does not load."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from segrgbx_core.files.images import write_png

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


COMMAND = """
import sys
from segrgbx_ros.cli import main
code = main(sys.argv[1:])
print("loaded", *sorted(set(sys.modules)))
sys.exit(code)
"""
# What reads recordings and messages.
RECORDINGS = ("apsw", "lz4", "rosbags", "segrgbx_ros.bags", "segrgbx_ros.messages")


@pytest.mark.parametrize(
    "words",
    [
        ("segment", "--rgb", "rgb.png", "--x", "x.png", "--out", "out"),
        ("encode", "x.png", "--out", "planes.png"),
    ],
)
def test_a_command_on_files_loads_nothing_of_recordings(
    words: tuple[str, ...], tmp_path: Path
) -> None:
    write_png(tmp_path / "rgb.png", np.zeros((48, 64, 3), np.uint8))
    write_png(tmp_path / "x.png", np.arange(48 * 64, dtype=np.uint16).reshape(48, 64))
    call = [sys.executable, "-c", COMMAND, *words, "--modality", "thermal"]
    done = subprocess.run(call, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    loaded = set(done.stdout.rpartition("loaded ")[2].split())
    assert "segrgbx_core.encoding.table" in loaded
    assert loaded.isdisjoint(RECORDINGS), sorted(loaded & set(RECORDINGS))
