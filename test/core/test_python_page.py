# SPDX-License-Identifier: Apache-2.0
"""The code on the Python page runs, and the page names the whole interface."""

import re
import runpy
from pathlib import Path

import numpy as np

import segrgbx_core


def test_the_page_names_the_interface(repository: Path) -> None:
    page = (repository / "docs" / "python.md").read_text("utf-8")
    named = re.findall(r"^\| `(\w+)` \|", page.partition("## Segment")[0], re.MULTILINE)
    assert sorted(named) == sorted(segrgbx_core.__all__)


def test_the_code_runs(repository: Path, tmp_path: Path) -> None:
    page = (repository / "docs" / "python.md").read_text("utf-8")
    blocks = re.findall(r"^```python\n(.*?)^```", page, re.MULTILINE | re.DOTALL)
    assert len(blocks) == 3
    (tmp_path / "page.py").write_text("\n".join(blocks))
    names = runpy.run_path(str(tmp_path / "page.py"))
    result = names["result"]
    assert isinstance(result, segrgbx_core.Segmentation)
    assert (result.labels.shape, result.modality) == ((480, 640), "thermal")
    planes = names["planes"]
    assert isinstance(planes, segrgbx_core.Planes)
    assert planes.data.shape == (3, 480, 640)
    assert np.all(planes.data[:, ~planes.valid] == 0)
