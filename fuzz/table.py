# SPDX-License-Identifier: Apache-2.0
"""All surfaces by name."""

from functools import cache

from fuzz import bags, events, files, inspection, messages, settings
from fuzz.surface import Surface


@cache
def all_surfaces() -> dict[str, Surface]:
    """In the order of the data's path."""
    parts = (messages, events, inspection, files, settings, bags)
    return {surface.name: surface for part in parts for surface in part.surfaces()}


def surface_named(name: str) -> Surface:
    """Raises KeyError for another name."""
    return all_surfaces()[name]
