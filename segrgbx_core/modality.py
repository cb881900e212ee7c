# SPDX-License-Identifier: Apache-2.0
"""The second sensors this project knows, in one table."""

from dataclasses import dataclass

from segrgbx_core.errors import InputError


@dataclass(frozen=True)
class Modality:
    """One kind of second sensor.

    prompt: how a sentence names an image of it. topic_words: parts of a topic's name by which a
    recording's X topic is found.
    """

    name: str
    prompt: str
    topic_words: tuple[str, ...]


MODALITIES: dict[str, Modality] = {
    m.name: m
    for m in (
        Modality("event", "an event camera image", ("event", "dvs")),
        Modality("thermal", "a thermal image", ("thermal", "infrared", "lwir", "flir", "/ir/")),
        Modality("depth", "a depth image", ("depth",)),
        Modality("polarization", "a polarization image", ("polar",)),
        Modality("light_field", "a light field image", ("light_field", "lightfield")),
    )
}


def modality_named(name: str) -> Modality:
    """The table's row; InputError names the known ones."""
    if name not in MODALITIES:
        raise InputError(f"Modality '{name}' is unknown; expected one of {', '.join(MODALITIES)}.")
    return MODALITIES[name]
