# SPDX-License-Identifier: Apache-2.0
"""Procedural street scenes as any sensor would see them, with exact labels."""

from segrgbx_core.scenes.drive import SCENES_VERSION, Drive, DriveSettings, RgbCapture, XCapture
from segrgbx_core.scenes.optics.camera import PinholeCamera

__all__ = [
    "SCENES_VERSION",
    "Drive",
    "DriveSettings",
    "PinholeCamera",
    "RgbCapture",
    "XCapture",
]
