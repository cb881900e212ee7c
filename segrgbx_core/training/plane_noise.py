# SPDX-License-Identifier: Apache-2.0
"""What goes wrong in each sensor, drawn anew for every sample that a model learns from.

A table of few numbers, on the encoded planes, so that it is cheap and the same for real and
synthetic readings. Reasons, sensor by sensor:

thermal: the range that the encoding stretches over changes with what is in view, which is a gain
about the middle; all three planes come from one image, so they share its noise.

event: another contrast threshold scales the counts, a gain about 0.5 (no event); noise events
fire single pixels, more so at night.

depth: the same noise in disparity moves closeness alike everywhere, but relief and tilt are
differences, in which it counts more; matching fails in patches, which become holes.

polarization: shot noise is independent between polarizer directions, so between planes;
another extinction ratio scales the strength from 0 and the direction from 0.5.

light_field: disparity is stretched between percentiles of the frame, a gain about the middle, and
noisiest of the three; confidence and agreement only lessen.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from segrgbx_core.errors import InputError
from segrgbx_core.modality import MODALITIES

Three = tuple[float, float, float]

FULL_NOISE = 0.03


@dataclass(frozen=True)
class SensorNoise:
    """Faults at the usual noise of 0.03; they grow and shrink with it, but for the gain.

    gain: relative change of the planes about `centre`, at most half of this either way. planes:
    noise of each plane, relative to the sample's. common: one noise image for all planes. specks:
    share of pixels that show any value, at most. holes: share of the image without a measurement,
    in patches, at most.
    """

    gain: float = 0.3
    centre: Three = (0.5, 0.5, 0.5)
    planes: Three = (1.0, 1.0, 1.0)
    common: bool = False
    specks: float = 0.0
    holes: float = 0.0


SENSOR_NOISE: dict[str, SensorNoise] = {
    "thermal": SensorNoise(common=True),
    "event": SensorNoise(gain=0.5, planes=(0.3, 0.3, 0.3), specks=0.01),
    "depth": SensorNoise(gain=0.1, centre=(0.0, 0.5, 0.5), planes=(0.5, 1.5, 1.5), holes=0.1),
    "polarization": SensorNoise(gain=0.2, centre=(0.0, 0.5, 0.5)),
    "light_field": SensorNoise(gain=0.3, centre=(0.5, 0.0, 0.0), planes=(1.5, 0.5, 0.5)),
}

_PATCH = 16


def disturbed(x: Tensor, valid: Tensor, modality: str, most: float) -> tuple[Tensor, Tensor]:
    """Planes (3, H, W) in 0..1 and validity (H, W) bool, as a worse sensor would give them.

    most: deviation of the noise, at most; 0 leaves the gain alone. Draws from torch's random
    numbers. Raises InputError for an unknown modality.
    """
    faults = _faults(modality)
    noise = torch.rand(()) * most
    gain = 1 + (torch.rand(()) - 0.5) * faults.gain
    centre = torch.tensor(faults.centre)[:, None, None]
    spread = torch.randn(x.shape[1:] if faults.common else x.shape)
    spread = spread * torch.tensor(faults.planes)[:, None, None]
    x = ((x - centre) * gain + centre + noise * spread).clamp(0, 1)
    scale = most / FULL_NOISE
    if faults.specks and scale:
        x = _speckled(x, faults.specks * scale)
    if faults.holes and scale:
        valid = valid & ~_holes(valid.shape, faults.holes * scale)
    return x, valid


def _faults(modality: str) -> SensorNoise:
    if modality not in SENSOR_NOISE:
        raise InputError(
            f"Modality '{modality}' has no noise; expected one of {', '.join(MODALITIES)}."
        )
    return SENSOR_NOISE[modality]


def _speckled(x: Tensor, most: float) -> Tensor:
    """Values of their own in a random share of the pixels, in one plane each."""
    hit = torch.rand(x.shape) < torch.rand(()) * most / len(x)
    return torch.where(hit, torch.rand(x.shape), x)


def _holes(size: torch.Size, most: float) -> Tensor:
    """(H, W) bool, True in a random share of patches of 16 pixels."""
    rows, columns = (-(-length // _PATCH) for length in size)
    lost = torch.rand(rows, columns) < torch.rand(()) * min(most, 1.0)
    wide = lost.repeat_interleave(_PATCH, 0).repeat_interleave(_PATCH, 1)
    return wide[: size[0], : size[1]]
