# SPDX-License-Identifier: Apache-2.0
"""Labelled pairs on disk."""

from segrgbx_core.datasets.folder import FolderDataset
from segrgbx_core.datasets.samples import LabelledPairs, Place, Sample, encoded
from segrgbx_core.datasets.scenes import render_stills, write_dataset
from segrgbx_core.datasets.skipping import Skipping
from segrgbx_core.datasets.table import DATASETS, DatasetOptions, open_dataset, splits_in

__all__ = [
    "DATASETS",
    "DatasetOptions",
    "FolderDataset",
    "LabelledPairs",
    "Place",
    "Sample",
    "Skipping",
    "encoded",
    "open_dataset",
    "render_stills",
    "splits_in",
    "write_dataset",
]
