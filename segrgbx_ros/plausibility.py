# SPDX-License-Identifier: Apache-2.0
"""Whether an X reading looks like what it is said to be; a doubt is told, never a refusal."""

import numpy as np

from segrgbx_core.readings import Reading

STRIDE = 8


def doubt(modality: str, reading: Reading) -> str | None:
    """One sentence on values that tell nothing, None where they may well tell something.

    Looks at every eighth pixel of an image; other readings are not judged. Units that cannot be
    are refused by the encodings themselves.
    """
    if not isinstance(reading, np.ndarray):
        return None
    seen = reading[::STRIDE, ::STRIDE].astype(np.float64)
    seen = seen[np.isfinite(seen)]
    if not seen.size:
        return f"The {_spoken(modality)} images have hardly a pixel with a reading."
    if seen.size > 1 and seen.min() == seen.max():
        return (
            f"The {_spoken(modality)} images are {seen[0]:g} everywhere: check that the lens is "
            "open and the driver's range fits."
        )
    return None


def _spoken(modality: str) -> str:
    return modality.replace("_", " ")
