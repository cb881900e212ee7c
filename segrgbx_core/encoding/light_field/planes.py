# SPDX-License-Identifier: Apache-2.0
"""Encode light field readings (views, or one tiled image) as planes.

    plane 0: disparity d, near is high
    plane 1: confidence in d = T / (T + (E + q) / s^2)
    plane 2: agreement of the views = 1 / (1 + E / (0.1 m)^2)

T is the mean square change of the views per unit of disparity, E the remaining mean square
difference between the views at d, m the mean brightness, all over a window of 7 x 7; s is the
disparity of one pixel in the farthest view, and q = (0.005 m)^2 keeps quantisation steps from
counting as texture (formulas: `disparity`). Where confidence is low, plane 0 takes the disparity
of more confident surroundings (`filled_by_surroundings`). The first two planes give shape and its
confidence, like a depth sensor. Only a light field has the third: a matt surface looks the same
from all sides, while glass, water, gloss and the borders of near objects do not. No plane depends
on exposure.
"""

from dataclasses import dataclass, replace
from typing import Literal, cast, get_args

import cv2
import numpy as np
import numpy.typing as npt

from segrgbx_core.encoding.contract import (
    TURBO,
    Encoding,
    EncodingSettings,
    PlaneNames,
    PlaneNoise,
    PlaneValues,
    color_mapped,
    setting,
)
from segrgbx_core.encoding.light_field.disparity import Image, Slopes, Views, slopes
from segrgbx_core.encoding.light_field.views import (
    VIEW_SETS,
    chosen,
    from_tiles,
    from_views,
    parse_numbering,
    related,
)
from segrgbx_core.errors import InputError
from segrgbx_core.files.images import read_light_field
from segrgbx_core.readings import ImageReading, LightFieldViews, Planes, RgbImage
from segrgbx_core.tiles import tiled

_Image = npt.NDArray[np.float32]

_LEAST_WEIGHT = np.float32(1e-6)


def filled_by_surroundings(values: _Image, weight: _Image) -> _Image:
    """Blends each value with its surroundings by its weight; weight 1 keeps the value.

    values: (H, W). weight: (H, W) in 0..1. Weighted means are computed at half the resolution
    repeatedly, down to one pixel; then each level is completed from the next coarser one (the
    pull-push of Gortler, Grzeszczuk, Szeliski and Cohen, The Lumigraph, 1996). Returns 0
    everywhere if all weights are 0.
    """
    if min(values.shape) < 2:
        return values * (weight > 0)
    size = ((values.shape[1] + 1) // 2, (values.shape[0] + 1) // 2)
    total = cast(_Image, cv2.pyrDown(values * weight, dstsize=size))
    share = cast(_Image, cv2.pyrDown(weight, dstsize=size))
    means = total / np.maximum(share, _LEAST_WEIGHT)
    coarse = filled_by_surroundings(means, np.minimum(share * 4, np.float32(1)))
    wide = cv2.pyrUp(coarse, dstsize=(values.shape[1], values.shape[0]))
    return np.asarray(wide + weight * (values - wide), np.float32)


Scaling = Literal["frame", "range"]

_WINDOW = (7, 7)
_NOISE = 5e-3
_AGREEMENT = 0.1
_UNSURE, _SURE = 0.25, 0.5
_PERCENTILES = (1.0, 99.0)
_LEAST_SPREAD_PIXELS = 0.5
_MOST_VIEWS = 32
_MOST_DISPARITY = 256


@dataclass(frozen=True)
class LightFieldSettings(EncodingSettings):
    """Which views are used, how they are arranged, and how disparity is scaled to 0..1."""

    rows: int | None = setting(
        None, "Rows of views in a tiled image; none finds them", "views", f"1 to {_MOST_VIEWS}"
    )
    columns: int | None = setting(
        None, "Columns of views in a tiled image; none finds them", "views", f"1 to {_MOST_VIEWS}"
    )
    views: str = setting(
        "all",
        "Which views take part: all that are there, or one of UrbanLF's sets",
        "",
        ", ".join(("all", *VIEW_SETS)),
    )
    numbering: str = setting(
        "down,right",
        "The way the view moves as the row's and as the column's number grows; down,right for "
        "UrbanLF and for tiles, right,down where files are named column first",
        "",
        "two of down, up, right and left",
    )
    disparity_min: float = setting(
        -4.0,
        "The least disparity that is searched; above 0 is nearer than the plane in which the "
        "views coincide",
        "pixels per view",
        f"-{_MOST_DISPARITY} to disparity_max",
    )
    disparity_max: float = setting(
        8.0,
        "The largest disparity that is searched",
        "pixels per view",
        f"disparity_min to {_MOST_DISPARITY}",
    )
    scaling: Scaling = setting(
        "frame",
        "frame stretches disparity between percentiles 1 and 99 of its surer half; range between "
        "disparity_min and disparity_max, the same in every frame",
    )

    def __post_init__(self) -> None:
        parse_numbering(self.numbering)
        for name, number in (("rows", self.rows), ("columns", self.columns)):
            if number is not None and not 1 <= number <= _MOST_VIEWS:
                raise InputError(
                    f"Light field {name} is {number}; expected 1 to {_MOST_VIEWS} views."
                )
        if self.views != "all" and self.views not in VIEW_SETS:
            raise InputError(
                f"Light field views '{self.views}' is unknown; expected all, "
                f"{', '.join(VIEW_SETS)}."
            )
        low, high = self.disparity_min, self.disparity_max
        if not -_MOST_DISPARITY <= low < high <= _MOST_DISPARITY:
            raise InputError(
                f"Light field disparity_min {low} is not below disparity_max {high}, or one is "
                f"beyond {_MOST_DISPARITY}; give pixels per view."
            )
        if self.scaling not in get_args(Scaling):
            raise InputError(
                f"Light field scaling '{self.scaling}' is unknown; expected frame or range."
            )


def encode_light_field(
    reading: LightFieldViews | ImageReading, settings: LightFieldSettings | None = None
) -> Planes:
    """Encodes one light field as planes: disparity, its confidence, and agreement of the views.

    reading: LightFieldViews, or all views in one image (H, W) or (H, W, 3), uint8 or uint16.
    Returns planes (3, H, W) float32 in 0..1 of the size of one view, aligned to the view nearest
    to the grid's middle. Pixels that no other view contains are invalid.
    Raises InputError for another shape or dtype, missing views of the set, a tiled size that is
    not a multiple of rows and columns, and fewer than two views.
    """
    settings = settings or LightFieldSettings()
    if isinstance(reading, LightFieldViews):
        grid = from_views(reading)
    else:
        grid = from_tiles(reading, settings.rows, settings.columns)
    if settings.views != "all":
        grid = chosen(grid, settings.views)
    views = related(grid, settings.numbering)
    estimate = slopes(views, settings.disparity_min, settings.disparity_max)
    valid = estimate.seen > 0
    confidence = _confidence(estimate, views)
    disparity = filled_by_surroundings(estimate.disparity, _sure(confidence) * valid)
    planes = np.stack(
        [
            _scaled(disparity, confidence, views.reach, settings),
            confidence,
            _agreement(estimate, views),
        ]
    )
    return Planes(planes * valid, valid)


def _brightness(views: Views) -> Image:
    around = cv2.boxFilter(views.reference, -1, _WINDOW)
    return np.asarray(np.maximum(around, 1e-6), np.float32)


def _confidence(estimate: Slopes, views: Views) -> Image:
    unit = np.float32(views.reach**2)
    noise = (np.float32(_NOISE) * _brightness(views)) ** 2
    doubt = (estimate.error + noise) * unit
    return np.asarray(estimate.texture / (estimate.texture + doubt), np.float32)


def _sure(confidence: Image) -> Image:
    """Weight 1 for disparities that are kept, 0 for those that the surroundings replace."""
    share = (confidence - _UNSURE) / (_SURE - _UNSURE)
    return np.asarray(np.clip(share, 0, 1), np.float32)


def _agreement(estimate: Slopes, views: Views) -> Image:
    bearable = np.float32(_AGREEMENT) * _brightness(views)
    return np.asarray(1 / (1 + estimate.error / bearable**2), np.float32)


def _scaled(
    disparity: Image, confidence: Image, reach: float, settings: LightFieldSettings
) -> Image:
    if settings.scaling == "range":
        low, high = settings.disparity_min, settings.disparity_max
    else:
        low, high = _spread(disparity, confidence, reach)
    return np.asarray(np.clip((disparity - low) / (high - low), 0, 1), np.float32)


def _spread(disparity: Image, confidence: Image, reach: float) -> tuple[float, float]:
    """Percentiles of the more confident half, at least the views' resolution apart."""
    sure = confidence >= np.median(confidence)
    low, high = (float(bound) for bound in np.percentile(disparity[sure], _PERCENTILES))
    lacking = max(0.0, _LEAST_SPREAD_PIXELS / reach - (high - low))
    return low - lacking / 2, high + lacking / 2


def _plane_names(settings: LightFieldSettings) -> PlaneNames:
    del settings
    return "disparity, near is high", "confidence in it", "agreement of the views"


def _picture(planes: PlaneValues) -> RgbImage:
    """Near is red, far is blue; faded to grey of equal brightness where confidence is low."""
    colors = color_mapped(planes[0], TURBO).astype(np.float32)
    grey = colors.mean(axis=2, keepdims=True)
    sure = np.clip(planes[1], 0, 1)[..., None]
    return np.asarray((grey + (colors - grey) * sure).round(), np.uint8)


def _imaged(
    reading: LightFieldViews | ImageReading, settings: LightFieldSettings
) -> tuple[ImageReading, LightFieldSettings]:
    """All views side by side; places without a view are black, which leaves them out again."""
    if not isinstance(reading, LightFieldViews):
        return reading, settings
    image = tiled(reading, gaps=True)
    rows, columns = (image.shape[axis] // reading.views.shape[1 + axis] for axis in (0, 1))
    return image, replace(settings, rows=rows, columns=columns, views="all")


# Disparity is stretched between percentiles of the frame, which is a gain about the middle, and it
# is the noisiest plane. Confidence and agreement can only decrease.
ENCODING = Encoding(
    encode_light_field,
    LightFieldSettings,
    (LightFieldViews, np.ndarray),
    _plane_names,
    read=read_light_field,
    in_folders=True,
    picture=_picture,
    noise=PlaneNoise(gain=0.3, centre=(0.5, 0.0, 0.0), planes=(1.5, 0.5, 0.5)),
    imaged=_imaged,
)
