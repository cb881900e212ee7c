# SPDX-License-Identifier: Apache-2.0
"""The table of the supported second sensors.

A new sensor needs a row here, a module with its `ENCODING` (`segrgbx_core.encoding.contract`), and
a row in `segrgbx_ros.messages.sensors`.
"""

from dataclasses import dataclass

from segrgbx_core.errors import InputError
from segrgbx_core.wording import spoken

NO_X = "none"


@dataclass(frozen=True)
class Modality:
    """One kind of second sensor.

    prompt: a noun phrase for its image, for MA-CLIP. topic_words: parts of topic names that
    identify the X topic of a recording. module: the module with its ENCODING. data, readings:
    nouns for its output and for its counted messages; empty to derive them from the name.
    """

    name: str
    prompt: str
    topic_words: tuple[str, ...]
    module: str
    data: str = ""
    readings: str = ""


_HOME = "segrgbx_core.encoding"

MODALITIES: dict[str, Modality] = {
    m.name: m
    for m in (
        Modality(
            "event",
            "an event camera image",
            ("event", "dvs"),
            f"{_HOME}.event",
            data="events",
            readings="event packets",
        ),
        Modality(
            "thermal",
            "a thermal image",
            ("thermal", "infrared", "lwir", "flir", "/ir/"),
            f"{_HOME}.thermal.planes",
        ),
        Modality("depth", "a depth image", ("depth",), f"{_HOME}.depth.planes"),
        Modality(
            "polarization", "a polarization image", ("polar",), f"{_HOME}.polarization.planes"
        ),
        Modality(
            "light_field",
            "a light field image",
            ("light_field", "lightfield"),
            f"{_HOME}.light_field.planes",
        ),
    )
}


def modality_named(name: str) -> Modality:
    """The row of the table; InputError lists the known names."""
    if name not in MODALITIES:
        raise InputError(f"Modality '{name}' is unknown; expected one of {', '.join(MODALITIES)}.")
    return MODALITIES[name]


def sensor_in_words(modality: str) -> str:
    """The sensor's name in prose; "RGB alone" for NO_X."""
    return "RGB alone" if modality == NO_X else spoken(modality)


def readings_of(modality: str) -> str:
    """The plural noun for a sensor's messages in a recording."""
    row = MODALITIES.get(modality)
    return row.readings if row is not None and row.readings else f"{spoken(modality)} readings"


def data_of(modality: str) -> str:
    """The noun for a sensor's output, as used after "RGB with"."""
    row = MODALITIES.get(modality)
    return row.data if row is not None and row.data else spoken(modality)
