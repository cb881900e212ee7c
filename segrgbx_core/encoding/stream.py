# SPDX-License-Identifier: Apache-2.0
"""Encoding of a video: with memory between its frames, onto the RGB image's grid, or mirrored."""

from dataclasses import replace

import numpy as np

from segrgbx_core.encoding.depth.metres import DepthSettings, depth_in_metres
from segrgbx_core.encoding.depth.planes import encode_metres
from segrgbx_core.encoding.table import ENCODINGS, Settings, encode
from segrgbx_core.encoding.thermal.planes import encode_thermal_after
from segrgbx_core.encoding.thermal.settings import ThermalSettings
from segrgbx_core.encoding.thermal.tone import ThermalTone
from segrgbx_core.errors import InputError
from segrgbx_core.geometry.align import Alignment, Homography, Resize, resize_planes, warp_planes
from segrgbx_core.geometry.reprojection import Reprojection, check_rgb_size, reproject
from segrgbx_core.modality import modality_named
from segrgbx_core.readings import Planes, Reading


class Encoder:
    """One sensor's readings, frame after frame, to planes that fit the RGB images.

    settings: of the modality's own encoding. alignment: None leaves the planes on the sensor's own
    grid, for a sensor that is registered already and differs in size alone (Segmenter takes planes
    of any size).
    A homography is in pixels of the sensor's image as published. A reprojection moves the depth in
    metres, before it is encoded; the planes are then those of a depth camera in the RGB camera's
    place, and gravity in the settings stays in the depth camera's axes.
    Raises InputError for an unknown modality, settings of another one, and for a Reprojection of
    anything but depth.
    """

    def __init__(
        self,
        modality: str,
        settings: Settings | None = None,
        alignment: Alignment | None = None,
    ) -> None:
        self._modality = modality_named(modality).name
        own = ENCODINGS[self._modality].settings
        if not isinstance(settings, (own, type(None))):
            raise InputError(
                f"Modality '{self._modality}' was given settings of type "
                f"{type(settings).__name__}; expected {own.__name__}."
            )
        self._settings = own() if settings is None else settings
        if isinstance(alignment, Reprojection):
            self._settings = _from_rgb_camera(self._modality, self._settings, alignment)
        self._alignment = alignment
        self._tone: ThermalTone | None = None

    def __call__(self, reading: Reading, rgb_size: tuple[int, int]) -> Planes:
        """The reading's planes, on the RGB grid of (height, width) where an alignment is given.

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

    def reset(self) -> None:
        """Forgets earlier frames, for the first one of another recording."""
        self._tone = None

    def _encoded(self, reading: Reading) -> Planes:
        settings = self._settings
        if not isinstance(settings, ThermalSettings) or not isinstance(reading, np.ndarray):
            return encode(self._modality, reading, settings)
        planes, tone = encode_thermal_after(reading, settings, self._tone)
        self._tone = self._tone if tone is None else tone
        return planes

    def _reprojected(self, reading: Reading, reprojection: Reprojection) -> Planes:
        settings = self._settings
        if not isinstance(settings, DepthSettings) or not isinstance(reading, np.ndarray):
            return encode(self._modality, reading, settings)
        metres = depth_in_metres(reading, settings)
        return encode_metres(reproject(metres, reprojection), settings)

    def _published(self, reading: Reading, planes: Planes) -> tuple[int, int]:
        """(height, width) of the image that the planes show: a polarization mosaic has more
        pixels than they. In a tiled light field one view is the image."""
        if self._modality == "polarization" and isinstance(reading, np.ndarray):
            return reading.shape[0], reading.shape[1]
        return planes.valid.shape[0], planes.valid.shape[1]


def _from_rgb_camera(modality: str, settings: Settings, reprojection: Reprojection) -> Settings:
    """The settings of the depth that the RGB camera would measure."""
    if not isinstance(settings, DepthSettings):
        raise InputError(
            f"Modality '{modality}' cannot be reprojected, which needs each pixel's depth; align "
            "it by a homography or resize."
        )
    if settings.gravity is None:
        return replace(settings, camera=reprojection.rgb_camera)
    x, y, z = (float(v) for v in reprojection.rgb_from_x[:3, :3] @ settings.gravity)
    return replace(settings, camera=reprojection.rgb_camera, gravity=(x, y, z))


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
