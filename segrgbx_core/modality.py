# SPDX-License-Identifier: Apache-2.0
"""The second sensors this project knows, one row each.

A further sensor is a row here, a module that holds its `ENCODING`
(`segrgbx_core.encoding.contract`), and a row in `segrgbx_ros.messages.sensors`.
"""

from dataclasses import dataclass

from segrgbx_core.errors import InputError
from segrgbx_core.wording import spoken

NO_X = "none"


@dataclass(frozen=True)
class Modality:
    """One kind of second sensor.

    prompt: how a sentence names an image of it. topic_words: parts of a topic's name by which a
    recording's X topic is found. module: where its ENCODING is. data, readings: what it gives and
    how its messages are counted, in words; empty where the name says it.
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
    """The table's row; InputError names the known ones."""
    if name not in MODALITIES:
        raise InputError(f"Modality '{name}' is unknown; expected one of {', '.join(MODALITIES)}.")
    return MODALITIES[name]


def readings_of(modality: str) -> str:
    """What a recording holds of a sensor, as its messages are counted."""
    row = MODALITIES.get(modality)
    return row.readings if row is not None and row.readings else f"{spoken(modality)} readings"


def data_of(modality: str) -> str:
    """What a sensor gives, beside "RGB with"."""
    row = MODALITIES.get(modality)
    return row.data if row is not None and row.data else spoken(modality)
