# SPDX-License-Identifier: Apache-2.0
"""From what YAML holds to frozen dataclasses, with each mistake named by its place."""

import types
from dataclasses import MISSING, fields, is_dataclass
from typing import Any, Literal, TypeVar, get_args, get_origin, get_type_hints

from segrgbx_core.errors import RecipeError

T = TypeVar("T")
_SPOKEN = {int: "a whole number", float: "a number", str: "text", bool: "true or false"}


def filled(kind: type[T], given: object, place: str) -> T:
    """The dataclass with the mapping's values; defaults stand where keys are left out.

    Where a field takes any number of dataclasses, one mapping stands for a list of one.
    Raises RecipeError for unknown and missing keys and for values of another type.
    """
    if not isinstance(given, dict):
        raise RecipeError(f"{place} is {given!r}; expected a mapping.")
    hints = get_type_hints(kind)
    known = {f.name: f for f in fields(kind)}  # type: ignore[arg-type]
    unknown = [str(k) for k in given if k not in known]
    if unknown:
        raise RecipeError(
            f"{place} has unknown keys {', '.join(unknown)}; known: {', '.join(known)}."
        )
    missing = [
        n
        for n, f in known.items()
        if n not in given and f.default is MISSING and f.default_factory is MISSING
    ]
    if missing:
        raise RecipeError(f"{place} lacks {', '.join(missing)}.")
    values = {k: _value(hints[k], v, f"{place}.{k}") for k, v in given.items()}
    return kind(**values)


def _value(kind: Any, given: object, place: str) -> Any:
    if is_dataclass(kind) and isinstance(kind, type):
        return filled(kind, given, place)
    origin, options = get_origin(kind), get_args(kind)
    if origin is types.UnionType:
        if given is None:
            return None
        return _value(next(o for o in options if o is not type(None)), given, place)
    if origin is tuple:
        return _values(options, given, place)
    if origin is Literal:
        if given not in options:
            raise RecipeError(f"{place} is {given!r}; expected {' or '.join(map(str, options))}.")
        return given
    if kind is float and isinstance(given, int) and not isinstance(given, bool):
        return float(given)
    if not isinstance(given, kind) or (kind is not bool and isinstance(given, bool)):
        raise RecipeError(f"{place} is {given!r}; expected {_SPOKEN.get(kind, kind.__name__)}.")
    return given


def _values(options: tuple[Any, ...], given: object, place: str) -> tuple[Any, ...]:
    endless = options[-1] is Ellipsis
    if endless and is_dataclass(options[0]) and isinstance(given, dict):
        return (_value(options[0], given, place),)
    if not isinstance(given, list):
        one = "a mapping, or a list of them" if is_dataclass(options[0]) else "a list"
        raise RecipeError(f"{place} is {given!r}; expected {one}.")
    kinds = [options[0]] * len(given) if endless else list(options)
    if len(kinds) != len(given):
        raise RecipeError(f"{place} has {len(given)} values; expected {len(kinds)}.")
    at = [f"{place}[{i}]" for i in range(len(given))] if endless else [place] * len(given)
    return tuple(_value(k, v, p) for k, v, p in zip(kinds, given, at, strict=True))
