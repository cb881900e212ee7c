# SPDX-License-Identifier: Apache-2.0
"""What has changed in a recipe since a checkpoint of it was written."""

from collections.abc import Iterator, Mapping
from dataclasses import fields, is_dataclass
from typing import Any


def plain(value: object) -> Any:
    """Dataclasses as mappings and tuples as lists, all the way down."""
    if is_dataclass(value):
        return {f.name: plain(getattr(value, f.name)) for f in fields(value)}
    if isinstance(value, tuple | list):
        return [plain(each) for each in value]
    return value


def changes(before: Mapping[str, Any], after: Mapping[str, Any]) -> dict[str, str]:
    """By its key, such as `optimiser.batch`, each change in a few words.

    before, after: recipes made `plain`. Keys that one of them does not know are left out.
    """
    was, now = dict(_leaves(before)), dict(_leaves(after))
    found = {
        key: f"{key} was {_short(was[key])} and is {_short(now[key])}"
        for key in was
        if key in now and was[key] != now[key]
    }
    # Where one of them has a value, such as None, and the other a mapping.
    found |= {
        key: f"{key} was {_short(was[key])} and is given now"
        for key in was
        if key not in now and _below(key, now)
    }
    found |= {
        key: f"{key} was given and is {_short(now[key])} now"
        for key in now
        if key not in was and _below(key, was)
    }
    return found


def _below(key: str, leaves: Mapping[str, Any]) -> bool:
    return any(leaf.startswith(f"{key}.") for leaf in leaves)


def _leaves(value: Mapping[str, Any], place: str = "") -> Iterator[tuple[str, Any]]:
    for key, inner in value.items():
        if isinstance(inner, Mapping):
            yield from _leaves(inner, f"{place}{key}.")
        else:
            yield f"{place}{key}", inner


def _short(value: object) -> str:
    text = str(value)
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}..."


_LONGEST = 60
