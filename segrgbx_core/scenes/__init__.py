# SPDX-License-Identifier: Apache-2.0
"""Procedural street scenes as any sensor would see them, with exact labels."""

from segrgbx_core.scenes.camera import PinholeCamera
from segrgbx_core.scenes.drive import (
    SCENES_VERSION,
    Drive,
    DriveSettings,
    RgbCapture,
    XCapture,
)

__all__ = [
    "SCENES_VERSION",
    "Drive",
    "DriveSettings",
    "PinholeCamera",
    "RgbCapture",
    "XCapture",
]
