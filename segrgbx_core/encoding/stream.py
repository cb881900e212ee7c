# SPDX-License-Identifier: Apache-2.0
"""Encode a video: keep state between frames, align the planes to the RGB grid, or mirror them."""

from types import NoneType
from typing import Any

import numpy as np

from segrgbx_core.encoding.contract import EncodingSettings
from segrgbx_core.encoding.table import checked_settings, encode, encoding_of
from segrgbx_core.errors import InputError
from segrgbx_core.geometry.align import Alignment, Homography, Resize, resize_planes, warp_planes
from segrgbx_core.geometry.reprojection import Reprojection, check_rgb_size
from segrgbx_core.modality import modality_named
from segrgbx_core.readings import Planes, Reading


class Encoder:
    """Encodes one sensor's readings, frame by frame, as planes aligned to the RGB images.

    settings: of the modality's encoding. alignment: None keeps the planes on the sensor's grid,
    for a sensor that is registered already and differs only in size (Segmenter takes planes of
    any size).
    A homography is in pixels of the published X image. A reprojection moves the depth in metres
    before it is encoded, so the planes are those of a depth camera at the RGB camera's position;
    the gravity setting stays in the depth camera's axes.
    Raises InputError for an unknown modality, settings of another modality, or a Reprojection of
    a modality other than depth.
    """

    def __init__(
        self,
        modality: str,
        settings: EncodingSettings | None = None,
        alignment: Alignment | None = None,
    ) -> None:
        self._modality = modality_named(modality).name
        self._encoding = encoding_of(modality)
        self._settings = checked_settings(modality, settings)
        if not isinstance(alignment, (Resize, Homography, Reprojection, NoneType)):
            raise InputError(
                f"The alignment is of type {type(alignment).__name__}; expected Resize, "
                "Homography or Reprojection: for a matrix, Homography(matrix)."
            )
        if isinstance(alignment, Reprojection):
            check_reprojectable(modality)
        self._alignment = alignment
        self._memory: Any = None

    def __call__(self, reading: Reading, rgb_size: tuple[int, int]) -> Planes:
        """The reading's planes; on the RGB grid of (height, width) if an alignment is set.

        Raises InputError for a reading that the encoding or the alignment cannot use.
        """
        alignment = self._alignment
        if isinstance(alignment, Reprojection):
            check_rgb_size(alignment, rgb_size)
            return self._reprojected(reading, alignment)
        planes = self._encoded(reading)
        if isinstance(alignment, Resize):
            return resize_planes(planes, rgb_size)
        if isinstance(alignment, Homography):
            return warp_planes(planes, alignment, rgb_size, self._published(reading, planes))
        return planes

    @property
    def settings(self) -> EncodingSettings:
        """What the readings mean, and how they are encoded."""
        return self._settings

    @property
    def alignment(self) -> Alignment | None:
        """How the planes are aligned to the RGB grid."""
        return self._alignment

    def reset(self) -> None:
        """Discards the state of earlier frames; call it before a new recording."""
        self._memory = None

    def _encoded(self, reading: Reading) -> Planes:
        after = self._encoding.after
        if after is None or not isinstance(reading, self._encoding.readings):
            return encode(self._modality, reading, self._settings)
        planes, memory = after(reading, self._settings, self._memory)
        self._memory = self._memory if memory is None else memory
        return planes

    def _reprojected(self, reading: Reading, reprojection: Reprojection) -> Planes:
        reprojected = self._encoding.reprojected
        if reprojected is None or not isinstance(reading, self._encoding.readings):
            return encode(self._modality, reading, self._settings)
        return reprojected(reading, self._settings, reprojection)

    def _published(self, reading: Reading, planes: Planes) -> tuple[int, int]:
        """(height, width) of the published image; for a tiled light field, of one view."""
        larger = self._encoding.published_size
        size = None if larger is None else larger(reading)
        return size or (planes.valid.shape[0], planes.valid.shape[1])


def check_reprojectable(modality: str) -> None:
    """Raises InputError for a modality whose readings contain no depth."""
    if encoding_of(modality).reprojected is None:
        raise InputError(
            f"Modality '{modality}' cannot be reprojected, which needs each pixel's depth; align "
            "it by a homography or resize."
        )


def mirrored(planes: Planes, modality: str) -> Planes:
    """The planes mirrored left to right; values that encode a direction are mirrored too."""
    data = np.ascontiguousarray(planes.data[..., ::-1])
    valid = np.ascontiguousarray(planes.valid[..., ::-1])
    turning = encoding_of(modality).mirrored_plane
    if turning is not None:
        data[turning] = np.where(valid, 1 - data[turning], 0)
    return Planes(data, valid)
