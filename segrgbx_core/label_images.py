# SPDX-License-Identifier: Apache-2.0
"""Label images from one numbering to another, by a table: no arithmetic that can wrap around."""

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from segrgbx_core.errors import LabelError
from segrgbx_core.labels import UNLABELLED, LabelSet

LabelImage = npt.NDArray[np.uint8]


def remap(labels: LabelImage, numbering: Mapping[int, int], what: str) -> LabelImage:
    """Each value replaced by what `numbering` gives for it; 255 stays 255.

    labels: uint8 of any shape, values 0..255; what: the image's name in an error.
    Raises LabelError for another type, or for a value that `numbering` lacks.
    """
    if labels.dtype != np.uint8:
        raise LabelError(f"{what} is of type {labels.dtype}; expected uint8 class ids.")
    table = np.full(256, UNLABELLED, np.uint8)
    table[list(numbering)] = list(numbering.values())
    met = np.bincount(labels.reshape(-1), minlength=256)
    met[[*numbering, UNLABELLED]] = 0
    strange = np.flatnonzero(met)
    if strange.size:
        raise LabelError(
            f"{what} holds the values {', '.join(map(str, strange[:5]))} in {met.sum()} pixels; "
            f"expected {min(numbering)} to {max(numbering)}, or 255 for unlabelled: it is of "
            "another label set, or was resized with interpolation."
        )
    return table[labels]


def from_stored(labels: LabelImage, label_set: LabelSet) -> LabelImage:
    """Class ids of an image that stores id + 1, with 0 and 255 for unlabelled.

    Raises LabelError for values above the set's last class.
    """
    numbering = {0: UNLABELLED, **{i + 1: i for i in range(len(label_set))}}
    return remap(labels, numbering, f"The label image for '{label_set.name}'")
