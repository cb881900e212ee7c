# SPDX-License-Identifier: Apache-2.0
"""The node's parameters on X as the settings of its encoding."""

from collections.abc import Mapping
from math import isnan

import numpy as np

from segrgbx_core.encoding import Settings
from segrgbx_core.encoding.settings_text import settings_from_text
from segrgbx_core.encoding.stream import Encoder
from segrgbx_core.errors import InputError
from segrgbx_core.geometry.align import Alignment, Homography, Resize
from segrgbx_core.geometry.reprojection import Reprojection
from segrgbx_ros.node.parameters.parameters import NodeSettings, attribute

# Parameter -> the encoding's own setting; x.settings reaches all the others.
NAMED: Mapping[str, Mapping[str, str]] = {
    "thermal": {
        "x.scale": "scale",
        "x.offset": "offset",
        "x.clip_min": "clip_min",
        "x.clip_max": "clip_max",
        "x.invalid": "invalid",
    },
    "depth": {
        "x.scale": "scale",
        "x.clip_min": "near_m",
        "x.clip_max": "far_m",
        "x.invalid": "invalid",
    },
    "polarization": {"polarization.layout": "layout"},
    "light_field": {"light_field.rows": "rows", "light_field.columns": "columns"},
    "event": {
        "event.representation": "representation",
        "event.use_incomplete": "use_incomplete",
    },
    "none": {},
}
NUMBERS = ("x.scale", "x.offset", "x.clip_min", "x.clip_max", "x.invalid")


def encoding_settings(settings: NodeSettings) -> Settings | None:
    """The settings of the modality's encoding; None where nothing was set.

    Raises InputError for a parameter that the modality does not have, and for what its settings
    refuse.
    """
    known = NAMED[settings.modality]
    texts = [text for part in settings.x_settings.split(";") if (text := part.strip())]
    for name in (*NUMBERS, *(n for n in known if n not in NUMBERS)):
        value = getattr(settings, attribute(name))
        if isnan(value) if isinstance(value, float) else not value:
            continue
        if name not in known:
            raise InputError(
                f"Parameter {name} is {value}, but modality '{settings.modality}' has no such "
                f"setting; leave it out. Those it has: {', '.join(known) or 'none'}."
            )
        texts.append(f"{known[name]}={str(value).lower()}")
    return settings_from_text(settings.modality, texts) if settings.modality != "none" else None


def make_encoder(
    settings: NodeSettings, reprojection: Reprojection | None = None
) -> Encoder | None:
    """The encoder with its alignment; None for RGB alone.

    reprojection: for x.align reproject, once the cameras are known. Raises InputError as above.
    """
    if settings.modality == "none":
        return None
    alignment: Alignment | None = reprojection
    if settings.x_align == "resize":
        alignment = Resize()
    elif settings.x_align == "homography":
        alignment = Homography(np.array(settings.x_homography).reshape(3, 3))
    return Encoder(settings.modality, encoding_settings(settings), alignment)
