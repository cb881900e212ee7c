# SPDX-License-Identifier: Apache-2.0
"""The topic names that the launch files expect where nobody says otherwise."""


def x_topic_of(modality: str) -> str:
    """Where a driver of that sensor usually publishes."""
    return "event/events" if modality == "event" else f"{modality}/image_raw"
