# SPDX-License-Identifier: Apache-2.0
"""How the classes of one label set map to a union of several, read from the set's own file.

Each class of the set meets one or several unified classes, no two the same one;
`config/labels/unified.yaml` describes the fields of a set's file.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from segrgbx_core.errors import LabelError
from segrgbx_core.labels.label_set import (
    ClassEntry,
    LabelFile,
    LabelSet,
    label_set_of,
    load_label_set,
    read_label_file,
)

REST = "rest"


@dataclass(frozen=True)
class Membership:
    """meets: for each class of `label_set`, in its order, the ids of the unified classes. absent:
    ids that no labelled pixel of the set is of; empty if that is not known."""

    label_set: LabelSet
    unified: LabelSet
    meets: tuple[tuple[int, ...], ...]
    absent: tuple[int, ...] = ()


def load_membership(name_or_path: str | Path) -> Membership:
    """The set of a shipped name or a file's path, mapped to the union its file names.

    Raises LabelError where the file names no union, a class does not say what it meets, a name is
    not in the union, two classes meet the same one, or two take the rest.
    """
    path, content = read_label_file(name_or_path)
    label_set = label_set_of(path, content)
    unified = load_label_set(_union_of(path, content))
    named = {entry.name: _met(path, entry) for entry in content.classes}
    claimed = _claims(path, unified, named, content.silent)
    unclaimed = tuple(i for i, name in enumerate(unified.names) if name not in claimed)
    meets = tuple(
        unclaimed if names == (REST,) else tuple(unified.id_of(name) for name in names)
        for names in named.values()
    )
    if () in meets:
        raise LabelError(f"{path}: a class takes the rest, but '{unified.name}' has none left.")
    met = {i for ids in meets for i in ids}
    absent = tuple(i for i in range(len(unified)) if i not in met) if content.closed else ()
    return Membership(label_set, unified, meets, absent)


def _union_of(path: Path, content: LabelFile) -> str | Path:
    name = content.unified
    if name is None:
        raise LabelError(
            f"{path} does not name the union it belongs to; add `unified: unified` and to each "
            "class the unified classes it meets."
        )
    return path.parent / name if name.endswith((".yaml", ".yml")) else name


def _met(path: Path, entry: ClassEntry) -> tuple[str, ...]:
    names = (entry.meets,) if isinstance(entry.meets, str) else entry.meets
    if not names or (REST in names and len(names) > 1):
        raise LabelError(
            f"{path}: class '{entry.name}' meets {list(names)}; expected one unified class, a "
            f"list of them, or '{REST}' alone."
        )
    return names


def _claims(
    path: Path, unified: LabelSet, named: Mapping[str, tuple[str, ...]], silent: tuple[str, ...]
) -> Mapping[str, str]:
    """Who claims which unified class: the name of a class of the set, or 'silent'."""
    claims: dict[str, str] = {}
    for owner, names in (*named.items(), ("silent", silent)):
        for name in names:
            if name in claims:
                raise LabelError(
                    f"{path}: '{name}' is met by both '{claims[name]}' and '{owner}'; a unified "
                    "class can belong to only one."
                )
            if name != REST and name not in unified.names:
                raise LabelError(
                    f"{path}: '{owner}' names '{name}', which '{unified.name}' lacks; it has "
                    f"{', '.join(unified.names)}."
                )
            claims[name] = owner
    return claims
