# SPDX-License-Identifier: Apache-2.0
"""Labelled pairs on disk."""

from segrgbx_core.datasets.folder import FolderDataset, Sample
from segrgbx_core.datasets.scenes import render_stills, write_dataset

__all__ = ["FolderDataset", "Sample", "render_stills", "write_dataset"]
