# SPDX-License-Identifier: Apache-2.0
"""Local means and contrast of a plane; invalid pixels have no weight."""

import cv2
import numpy as np
import numpy.typing as npt

Plane = npt.NDArray[np.float32]
Mask = npt.NDArray[np.bool_]

_LEAST_WEIGHT = 1e-6


def mean_around(
    plane: Plane, valid: Mask, reach: tuple[int, int], out: Plane | None = None
) -> Plane:
    """Mean of the valid pixels at most `reach` = (rows, columns) away; 0 if there are none.

    plane: (H, W), 0 where invalid. valid: (H, W). out: the array to write the result to.
    """
    size = (2 * reach[1] + 1, 2 * reach[0] + 1)
    around = np.empty_like(plane) if out is None else out
    cv2.boxFilter(plane, -1, size, dst=around)
    if not valid.all():
        weight = weight_around(valid, reach)
        around /= np.maximum(weight, _LEAST_WEIGHT, out=weight)
    return around


def weight_around(valid: Mask, reach: tuple[int, int]) -> Plane:
    """Share of valid pixels, in 0..1, among those at most `reach` = (rows, columns) away."""
    size = (2 * reach[1] + 1, 2 * reach[0] + 1)
    return np.asarray(cv2.boxFilter(valid.astype(np.float32), -1, size), np.float32)


def contrast(plane: Plane, valid: Mask, share: float, gain: float, out: Plane) -> None:
    """Writes clip(0.5 + gain (plane - mean of its surroundings), 0, 1), (H, W), to out.

    share: radius of the surroundings, as a share of the image's height.
    """
    reach = max(1, round(share * plane.shape[0]))
    mean_around(plane, valid, (reach, reach), out=out)
    np.subtract(plane, out, out=out)
    out *= gain
    out += np.float32(0.5)
    np.clip(out, 0, 1, out=out)
