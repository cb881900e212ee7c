# SPDX-License-Identifier: Apache-2.0
"""Encode polarization readings (mosaic, four polarizer images, or DoLP and AoLP) as planes.

With DoLP the degree and a the angle of linear polarization (formulas: `stokes`), w = sqrt(DoLP):

    plane 0 = w    plane 1 = (1 + w sin 2a) / 2    plane 2 = (1 + w cos 2a) / 2

Unpolarized light is (0, 0.5, 0.5). The angle is that of a line, so a and a + 180 degrees must have
the same code; twice the angle ensures this without a discontinuity. The weight w makes the
direction fade out with the polarization instead of becoming noise. Matt surfaces polarize by a few
percent, glass and wet road near Brewster's angle by tens of percent: the square root keeps both
distinguishable in 0..1. Brightness is left out: the RGB image has it, and these planes do not
depend on it.
"""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import cast, get_args

import numpy as np
import numpy.typing as npt

from segrgbx_core.encoding.contract import (
    Encoding,
    EncodingSettings,
    PlaneNames,
    PlaneNoise,
    PlaneValues,
    hues,
    setting,
)
from segrgbx_core.encoding.polarization import mosaic
from segrgbx_core.encoding.polarization.stokes import Linear, linear_polarization
from segrgbx_core.errors import InputError
from segrgbx_core.files.images import read_polarizer_images, read_reading
from segrgbx_core.plausible import (
    AS_STORED,
    BYTE_ORDERS,
    Words,
    check_byte_order,
    full_scale,
    in_order,
)
from segrgbx_core.readings import (
    ImageReading,
    Planes,
    PolarizationState,
    PolarizerImages,
    RgbImage,
)

_DTYPES = (np.uint8, np.uint16, np.float32)
# Beyond these, which no sensor has, the squares of the Stokes parameters overflow float32.
_FAINTEST, _BRIGHTEST = 1e-9, 1e9
_DARK_COUNTS = 2.0
_MOST_DOLP = 2.0
_MOST_RADIANS = 4 * np.pi


@dataclass(frozen=True)
class PolarizationSettings(EncodingSettings):
    """How counts are converted to polarization; unused if the reading is DoLP and AoLP."""

    layout: str = setting(
        "90,45,135,0",
        "Polarizer angles of a 2x2 superpixel, row by row; the default is that of Sony sensors",
        "degrees",
        "0, 45, 90 and 135, each once",
    )
    demosaic: mosaic.Demosaic = setting(
        "interpolate",
        "interpolate: each angle at every superpixel's middle; superpixel: the four samples as "
        "they are, for sensors with colour filters as well",
    )
    saturation: float | None = setting(
        None,
        "Counts from which a sample is too bright to use; none: 255 of 8 bits, the full scale of "
        "16-bit images (8, 10, 12, 14 or 16 bits, at either end of the word), no limit of floats",
        "counts",
        "above black_level",
    )
    black_level: float = setting(0.0, "Counts without light", "counts", "0 or more")
    dark: float | None = setting(
        None,
        "Mean counts above black up to which a pixel is too dark to use; none: 2, or 0 of floats",
        "counts",
        "0 or more",
    )
    byte_order: str = setting(
        AS_STORED,
        "swapped: the two or four bytes of each count are in the other order than stated",
        "",
        ", ".join(BYTE_ORDERS),
    )

    def __post_init__(self) -> None:
        check_byte_order("Polarization", self.byte_order)
        mosaic.parse_layout(self.layout)
        if self.demosaic not in get_args(mosaic.Demosaic):
            raise InputError(
                f"Polarization demosaic '{self.demosaic}' is unknown; expected interpolate or "
                "superpixel."
            )
        if not self.black_level >= 0.0 or not (self.dark or 0.0) >= 0.0:
            raise InputError(
                f"Polarization black_level {self.black_level} or dark {self.dark} is below 0 "
                "counts; give 0 or more."
            )
        if self.saturation is not None and not self.saturation > self.black_level:
            raise InputError(
                f"Polarization saturation {self.saturation} is not above black_level "
                f"{self.black_level}; give the counts of a fully lit pixel."
            )


def encode_polarization(
    reading: ImageReading | PolarizerImages | PolarizationState,
    settings: PolarizationSettings | None = None,
) -> Planes:
    """Encodes one frame as planes: strength of polarization, sine and cosine of its direction.

    reading: a raw mosaic (H, W) uint8, uint16 or float32, linear in light, whose planes are
    (3, H/2, W/2) with pixel (i, j) centred at (2i + 0.5, 2j + 0.5) of the mosaic; or
    PolarizerImages or PolarizationState, whose planes have the same size.
    Returns planes float32 in 0..1. Pixels are invalid if they are too dark or depend on a
    saturated or non-finite sample.
    Raises InputError for another shape or dtype, an odd size, and values that cannot be DoLP as
    a fraction or AoLP in radians.
    """
    settings = settings or PolarizationSettings()
    if isinstance(reading, PolarizationState):
        return _from_state(reading)
    if isinstance(reading, PolarizerImages):
        _check_dtype(reading.intensity)
        intensity = in_order(reading.intensity, settings.byte_order)
        bad = _bad(intensity, settings)
        images = _without(intensity, bad).astype(np.float32)
        valid = np.logical_not(bad.any(axis=0))
        return _from_images(images, valid, settings, _is_count(intensity))
    _check_dtype(reading)
    reading = in_order(reading, settings.byte_order)
    mosaic.check_mosaic(reading)
    bad = _bad(reading, settings)
    layout = mosaic.parse_layout(settings.layout)
    images = mosaic.split(_without(reading, bad), layout, settings.demosaic)
    valid = ~mosaic.spoiled(bad, settings.demosaic)
    return _from_images(images, valid, settings, _is_count(reading))


def _check_dtype(samples: ImageReading) -> None:
    if samples.dtype not in _DTYPES:
        raise InputError(
            f"The polarization reading has values of type {samples.dtype}; expected uint8, uint16 "
            "or float32 counts."
        )


def _is_count(samples: ImageReading) -> bool:
    return bool(samples.dtype != np.float32)


def _bad(samples: ImageReading, settings: PolarizationSettings) -> npt.NDArray[np.bool_]:
    """True for samples without a measurement: saturated, or not a number."""
    limit = settings.saturation
    if limit is None and _is_count(samples):
        limit = 255 if samples.dtype == np.uint8 else full_scale(cast(Words, samples))
    bad = np.zeros(samples.shape, np.bool_) if limit is None else samples >= limit
    return bad if _is_count(samples) else bad | ~np.isfinite(samples)


def _without(samples: ImageReading, bad: npt.NDArray[np.bool_]) -> ImageReading:
    if not bad.any():
        return samples
    kept: ImageReading = samples.copy()
    kept[bad] = 0
    return kept


def _from_images(
    images: npt.NDArray[np.float32],
    valid: npt.NDArray[np.bool_],
    settings: PolarizationSettings,
    counts: bool,
) -> Planes:
    dark = settings.dark if settings.dark is not None else _DARK_COUNTS * counts
    intensity = images.sum(axis=0) / 2 - np.float32(2 * settings.black_level)
    valid = valid & (intensity > max(2 * dark, _FAINTEST)) & (abs(images).max(0) < _BRIGHTEST)
    return _planes(linear_polarization(images, intensity, valid), valid)


def _from_state(state: PolarizationState) -> Planes:
    for name, values in (("DoLP", state.dolp), ("AoLP", state.aolp)):
        if not np.issubdtype(values.dtype, np.floating):
            raise InputError(
                f"{name} has values of type {values.dtype}; expected float32 (DoLP 0..1, AoLP in "
                "radians): scale the stored integers back first."
            )
    valid = np.isfinite(state.dolp) & np.isfinite(state.aolp)
    dolp = np.where(valid, state.dolp, 0.0)
    aolp = np.where(valid, state.aolp, 0.0)
    if dolp.min(initial=0.0) < 0.0 or dolp.max(initial=0.0) > _MOST_DOLP:
        raise InputError(
            f"DoLP lies in {dolp.min():.4g}..{dolp.max():.4g}; expected 0..1: divide percent by "
            "100, or 8-bit levels by 255."
        )
    if np.abs(aolp).max(initial=0.0) > _MOST_RADIANS:
        raise InputError(
            f"AoLP reaches {np.abs(aolp).max():.4g}, which looks like degrees; give radians."
        )
    twice = 2.0 * aolp
    clipped = np.minimum(dolp, 1.0).astype(np.float32)
    return _planes(
        Linear(clipped, np.cos(twice, dtype=np.float32), np.sin(twice, dtype=np.float32)), valid
    )


def _planes(linear: Linear, valid: npt.NDArray[np.bool_]) -> Planes:
    data = np.empty((3, *valid.shape), np.float32)
    np.sqrt(linear.dolp, out=data[0])
    half = data[0] * np.float32(0.5)
    data[1] = np.float32(0.5) + half * linear.sin2a
    data[2] = np.float32(0.5) + half * linear.cos2a
    data *= valid
    return Planes(np.clip(data, 0.0, 1.0, out=data), valid)


def _plane_names(settings: PolarizationSettings) -> PlaneNames:
    del settings
    return "strength w = sqrt(DoLP)", "(1 + w sin 2 AoLP) / 2", "(1 + w cos 2 AoLP) / 2"


def _read(path: Path, grid: tuple[int, int] | None = None) -> ImageReading | PolarizerImages:
    del grid
    return read_polarizer_images(path) if path.is_dir() else read_reading(path)


def _picture(planes: PlaneValues) -> RgbImage:
    """The angle as hue; the strength as brightness and saturation.

    Planes 1 and 2 are (1 + w sin 2a) / 2 and (1 + w cos 2a) / 2: 2a is the hue.
    """
    twice = np.arctan2(2 * planes[1] - 1, 2 * planes[2] - 1)
    strong = np.clip(planes[0], 0, 1)
    pure = np.minimum(1.3 * strong, 1.0)
    return hues(np.mod(twice / (2 * np.pi), 1.0), pure, 0.35 + 0.65 * strong)


def _published_size(reading: object) -> tuple[int, int] | None:
    """(height, width) of a mosaic, which has more pixels than its planes; None for others."""
    return (reading.shape[0], reading.shape[1]) if isinstance(reading, np.ndarray) else None


def _imaged(
    reading: ImageReading | PolarizerImages | PolarizationState, settings: PolarizationSettings
) -> tuple[ImageReading, PolarizationSettings]:
    """The mosaic, as the sensor would deliver it."""
    if isinstance(reading, PolarizationState):
        raise InputError(
            "The polarization reading is DoLP and AoLP, from which no sensor's mosaic can be "
            "made; give the images behind the four angles."
        )
    if not isinstance(reading, PolarizerImages):
        return reading, settings
    whole = mosaic.joined_mosaic(reading.intensity, mosaic.parse_layout(settings.layout))
    return whole, replace(settings, demosaic="superpixel")


# Mirroring turns an angle a into 180 degrees - a: sin 2a changes its sign and cos 2a does not, so
# plane 1 becomes 1 minus itself. Noise: shot noise is independent between polarizer directions and
# so between planes. A different extinction ratio scales the strength about 0, the direction about
# 0.5.
ENCODING = Encoding(
    encode_polarization,
    PolarizationSettings,
    (np.ndarray, PolarizerImages, PolarizationState),
    _plane_names,
    read=_read,
    in_folders=True,
    picture=_picture,
    noise=PlaneNoise(gain=0.2, centre=(0.0, 0.5, 0.5)),
    mirrored_plane=1,
    published_size=_published_size,
    imaged=_imaged,
)
