# SPDX-License-Identifier: Apache-2.0
"""From image bytes and encoded planes to the network's input, in inference and training alike."""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from segrgbx_core.bounds import MOST_ELONGATED
from segrgbx_core.errors import InputError, ModelError

Triple = tuple[float, float, float]

# Far beyond what values in 0..1 have, and within what float32 can divide by.
_LEAST_STD, _LARGEST = 1e-6, 1e6
_LONGEST_SIDE = 8192


@dataclass(frozen=True)
class Preprocessing:
    """The input that the model was trained on; stored in the card with the weights.

    channel_order: always "rgb". Means and deviations: of values in 0..1, of the RGB image and of
    the encoded X planes. short_side: the image's shorter side is resized to that many pixels;
    None keeps the native size. Raises ModelError for values out of range.
    """

    channel_order: str = "rgb"
    rgb_mean: Triple = (0.485, 0.456, 0.406)
    rgb_std: Triple = (0.229, 0.224, 0.225)
    x_mean: Triple = (0.5, 0.5, 0.5)
    x_std: Triple = (0.25, 0.25, 0.25)
    short_side: int | None = None

    def __post_init__(self) -> None:
        if self.channel_order != "rgb":
            raise ModelError(f"Channel order is '{self.channel_order}'; expected 'rgb'.")
        for name, deviation in (("rgb_std", self.rgb_std), ("x_std", self.x_std)):
            if not all(_LEAST_STD <= v <= _LARGEST for v in deviation):
                raise ModelError(
                    f"{name} is {deviation}; expected three numbers above 0, of values in 0..1."
                )
        if not all(abs(v) <= _LARGEST for v in (*self.rgb_mean, *self.x_mean)):
            raise ModelError(
                f"Means are {self.rgb_mean} and {self.x_mean}; expected three numbers each, of "
                "values in 0..1."
            )
        if self.short_side is not None and not 32 <= self.short_side <= _LONGEST_SIDE:
            raise ModelError(
                f"short_side is {self.short_side}; expected 32 or more, up to {_LONGEST_SIDE}, or "
                "none."
            )

    def inference_size(self, height: int, width: int) -> tuple[int, int]:
        """The (height, width) the network sees for an image of that size.

        Raises InputError for an elongated image that would be enlarged without bound.
        """
        if self.short_side is None:
            return height, width
        scale = self.short_side / min(height, width)
        size = round(height * scale), round(width * scale)
        if size[0] * size[1] > max(height * width, MOST_ELONGATED * self.short_side**2):
            raise InputError(
                f"The RGB image is {width}x{height}, more than {MOST_ELONGATED} times as long as "
                f"it is wide, which the model would enlarge to {size[1]}x{size[0]}; crop it, or "
                "cut it into parts."
            )
        return size

    def normalise_rgb(self, rgb: Tensor) -> Tensor:
        """(B, 3, H, W) in 0..255 of any type, red first, to the network's float32 input."""
        mean, deviation = _columns(self.rgb_mean, rgb), _columns(self.rgb_std, rgb)
        return (rgb.float() / 255.0 - mean) / deviation

    def normalise_x(self, planes: Tensor, valid: Tensor) -> Tensor:
        """Planes (B, 3, H, W) in 0..1, valid (B, H, W) bool, to input that is 0 where invalid."""
        mean, deviation = _columns(self.x_mean, planes), _columns(self.x_std, planes)
        return ((planes.float() - mean) / deviation).masked_fill(~valid[:, None], 0.0)


def _columns(values: Triple, like: Tensor) -> Tensor:
    return torch.tensor(values, dtype=torch.float32, device=like.device).view(1, 3, 1, 1)


def resize_rgb(rgb: Tensor, size: tuple[int, int]) -> Tensor:
    """(B, 3, H, W) in 0..255 of any type to float32 of (height, width), smoothed when shrunk."""
    if rgb.shape[2:] == size:
        return rgb.float()
    return F.interpolate(rgb.float(), size, mode="bilinear", align_corners=False, antialias=True)


def resize_x(planes: Tensor, valid: Tensor, size: tuple[int, int]) -> tuple[Tensor, Tensor]:
    """Resizes planes (B, 3, h, w) bilinearly and valid (B, h, w) bool by the nearest pixel.

    Invalid pixels have no weight: a value is the mean of its valid neighbours only.
    """
    if planes.shape[2:] == size:
        return planes, valid
    nearest = F.interpolate(valid[:, None].float(), size, mode="nearest-exact")[:, 0] > 0.5
    if bool(valid.all()):
        return _bilinear(planes, size), nearest
    weight = valid[:, None].float()
    shared = _bilinear(weight, size).clamp_min(1e-6)
    return _bilinear(planes * weight, size) / shared * nearest[:, None], nearest


def _bilinear(planes: Tensor, size: tuple[int, int]) -> Tensor:
    return F.interpolate(planes, size, mode="bilinear", align_corners=False, antialias=True)
