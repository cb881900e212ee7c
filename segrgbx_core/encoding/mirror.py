# SPDX-License-Identifier: Apache-2.0
"""Planes as the sensor would give them of the mirrored scene, left and right exchanged."""

import numpy as np

from segrgbx_core.encoding.planes import Planes

_TURNING_PLANE = {"polarization": 1}


def mirrored(planes: Planes, modality: str) -> Planes:
    """The planes flipped left to right, with the values that name a direction turned.

    Of polarization, an angle a becomes 180 degrees - a: sin 2a changes its sign and cos 2a does
    not, so plane 1, (1 + w sin 2a) / 2, becomes 1 minus itself. All other planes know no left.
    """
    data = np.ascontiguousarray(planes.data[..., ::-1])
    valid = np.ascontiguousarray(planes.valid[..., ::-1])
    turning = _TURNING_PLANE.get(modality)
    if turning is not None:
        data[turning] = np.where(valid, 1 - data[turning], 0)
    return Planes(data, valid)
