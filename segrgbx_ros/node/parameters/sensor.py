# SPDX-License-Identifier: Apache-2.0
"""Node parameters to the sensor and pairing settings that the replay uses too."""

from collections.abc import Mapping
from dataclasses import replace
from math import isnan
from typing import cast

from segrgbx_core.encoding import EncodingSettings
from segrgbx_core.errors import InputError
from segrgbx_core.modality import NO_X
from segrgbx_core.sensor import SensorSettings, check_sensor
from segrgbx_ros.messages.rgb_words import RgbSettings
from segrgbx_ros.messages.sensors import SENSORS, messages_of
from segrgbx_ros.node.parameters.parameters import NodeSettings, attribute
from segrgbx_ros.pairing.matching import MissingX, SyncPolicy, SyncSettings

NUMBERS = ("x.scale", "x.offset", "x.clip_min", "x.clip_max", "x.invalid")
SETTING_PARAMETERS = tuple(
    dict.fromkeys((*NUMBERS, *(name for row in SENSORS.values() for name in row.parameters)))
)


def sensor_settings(settings: NodeSettings) -> SensorSettings:
    """The encoding and alignment of X.

    Raises InputError for a parameter that the modality's encoding does not have.
    """
    known = _parameters(settings.modality)
    texts = [text for part in settings.x_settings.split(";") if (text := part.strip())]
    for name in (n for n in SETTING_PARAMETERS if n in NUMBERS or n in known):
        value = getattr(settings, attribute(name))
        if isnan(value) if isinstance(value, float) else not value:
            continue
        if name not in known:
            raise InputError(
                f"Parameter {name} is {value}, but modality '{settings.modality}' has no such "
                f"setting; leave it out. Those it has: {', '.join(known) or 'none'}."
            )
        texts.append(f"{known[name]}={str(value).lower()}")
    homography = settings.x_homography if settings.x_align == "homography" else None
    return SensorSettings(tuple(texts), settings.x_align, homography)


def check_tiles(settings: NodeSettings) -> None:
    """Raises InputError where one image holds several views, and nobody has said how many."""
    if "light_field.rows" not in _parameters(settings.modality):
        return
    names = {text.partition("=")[0] for text in sensor_settings(settings).settings}
    if not {"rows", "columns"} <= names:
        raise InputError(
            f"Parameters light_field.rows and light_field.columns are {settings.light_field_rows} "
            f"and {settings.light_field_columns}; expected how many rows and columns of views one "
            "image holds, such as 5 and 5."
        )


def encoding_settings(settings: NodeSettings) -> EncodingSettings | None:
    """The settings of X's encoding; None for the defaults, and without X.

    Raises InputError as `sensor_settings` and `check_sensor` do; it names x.settings where that is
    what is wrong, as after a change of the modality.
    """
    if settings.modality == NO_X:
        return None
    try:
        return check_sensor(settings.modality, sensor_settings(settings))
    except InputError as err:
        if not settings.x_settings:
            raise
        check_sensor(settings.modality, sensor_settings(replace(settings, x_settings="")))
        raise InputError(f"Parameter x.settings is '{settings.x_settings}': {err}") from err


def rgb_settings(settings: NodeSettings) -> RgbSettings:
    """What the RGB messages do not say. Raises InputError for invalid values."""
    return RgbSettings(settings.rgb_encoding, settings.rgb_bits, settings.rgb_byte_order)


def sync_settings(settings: NodeSettings) -> SyncSettings:
    """The pairing of X with RGB images."""
    return SyncSettings(
        policy=cast(SyncPolicy, settings.sync_policy),
        slop_s=settings.sync_slop,
        queue_size=settings.sync_queue_size,
        x_time_offset_s=settings.sync_x_time_offset,
        x_timeout_s=settings.sync_x_timeout,
        missing_x=cast(MissingX, settings.missing_x),
        hold_limit_s=settings.hold_limit,
        reset_on_time_jump=settings.reset_on_time_jump,
        window_ms=settings.event_window_ms,
        window_events=settings.event_window_events or None,
    )


def _parameters(modality: str) -> Mapping[str, str]:
    return {} if modality == NO_X else messages_of(modality).parameters
