# SPDX-License-Identifier: Apache-2.0
"""Convert the content of YAML or JSON files to dataclasses; errors name the place in the file."""

import math
import reprlib
from collections.abc import Mapping, Sequence
from dataclasses import MISSING, Field, dataclass, fields, is_dataclass
from types import NoneType, UnionType
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

from segrgbx_core.bounds import LARGEST_INTEGER
from segrgbx_core.errors import SegRgbxError

T = TypeVar("T")
_SPOKEN = {int: "a whole number", float: "a number", str: "text", bool: "true or false"}


def filled(
    kind: type[T],
    given: object,
    place: str,
    error: type[SegRgbxError],
    whole: bool = False,
    further: bool = False,
) -> T:
    """Fills a dataclass with the mapping's values; missing keys get the field's default.

    place: name of the mapping in error messages, such as its file. whole: only fields whose
    default is None may be missing. further: unknown keys are ignored, also in nested dataclasses.
    Fields may be object (any value), bool, int, float, str, Literal, tuples, sequences and
    mappings of these, dataclasses, and unions. One mapping is accepted as a tuple of one
    dataclass.
    Raises `error` for unknown and missing keys, for values of a wrong type, and for values that
    the dataclass does not accept.
    """
    return _Filler(error, whole, further).dataclass(kind, given, place)


@dataclass(frozen=True)
class _Filler:
    error: type[SegRgbxError]
    whole: bool
    further: bool

    def dataclass(self, kind: type[T], given: object, place: str) -> T:
        content = self._mapping(given, place)
        hints = get_type_hints(kind)
        known = {f.name: f for f in fields(kind)}  # type: ignore[arg-type]
        unknown = [name for name in content if name not in known]
        if unknown and not self.further:
            raise self.error(
                f"{place} has unknown keys {_names(unknown)}; known: {', '.join(known)}."
            )
        missing = [name for name, f in known.items() if name not in content and self._owed(f)]
        if missing:
            raise self.error(f"{place} lacks {', '.join(missing)}.")
        values = {
            name: self.value(hints[name], value, f"{place}.{name}")
            for name, value in content.items()
            if name in known
        }
        try:
            return kind(**values)
        except SegRgbxError as err:
            raise self.error(f"{place}: {err}") from err

    def value(self, kind: Any, given: object, place: str) -> Any:
        if kind is object:
            return given
        if is_dataclass(kind) and isinstance(kind, type):
            return self.dataclass(kind, given, place)
        origin, options = get_origin(kind), get_args(kind)
        if origin in (UnionType, Union):
            return self._any_of(options, given, place)
        if origin is tuple:
            return self._tuple(options, given, place)
        if origin is Sequence:
            return self._tuple((options[0], ...), given, place)
        if origin is Mapping:
            content = self._mapping(given, place)
            return {n: self.value(options[1], v, f"{place}.{n}") for n, v in content.items()}
        if origin is Literal:
            return self._literal(options, given, place)
        return self._scalar(kind, given, place)

    def _owed(self, field: Field[Any]) -> bool:
        if field.default is MISSING and field.default_factory is MISSING:
            return True
        return self.whole and field.default is not None

    def _mapping(self, given: object, place: str) -> dict[str, object]:
        if not isinstance(given, dict):
            raise self.error(f"{place} is {_short(given)}; expected a mapping.")
        strange = [key for key in given if not isinstance(key, str)]
        if strange:
            raise self.error(
                f"{place} has the key {_short(strange[0])}, which is not text; quote it."
            )
        return given

    def _any_of(self, options: tuple[Any, ...], given: object, place: str) -> Any:
        if given is None and NoneType in options:
            return None
        kinds = [option for option in options if option is not NoneType]
        if len(kinds) == 1:
            return self.value(kinds[0], given, place)
        for kind in kinds:
            try:
                return self.value(kind, given, place)
            except self.error:
                continue
        words = " or ".join(dict.fromkeys(_in_words(kind) for kind in kinds))
        raise self.error(f"{place} is {_short(given)}; expected {words}.")

    def _tuple(self, options: tuple[Any, ...], given: object, place: str) -> tuple[Any, ...]:
        endless = options[-1] is Ellipsis
        if endless and is_dataclass(options[0]) and isinstance(given, dict):
            return (self.value(options[0], given, place),)
        if not isinstance(given, list):
            one = "a mapping, or a list of them" if is_dataclass(options[0]) else "a list"
            raise self.error(f"{place} is {_short(given)}; expected {one}.")
        kinds = [options[0]] * len(given) if endless else list(options)
        if len(kinds) != len(given):
            raise self.error(f"{place} has {len(given)} values; expected {len(kinds)}.")
        at = [f"{place}[{i}]" for i in range(len(given))] if endless else [place] * len(given)
        return tuple(self.value(k, v, p) for k, v, p in zip(kinds, given, at, strict=True))

    def _literal(self, options: tuple[Any, ...], given: object, place: str) -> Any:
        if given not in options:
            words = " or ".join(map(str, options))
            raise self.error(f"{place} is {_short(given)}; expected {words}.")
        return given

    def _scalar(self, kind: Any, given: object, place: str) -> Any:
        if kind is float and type(given) is int:
            return float(self._scalar(int, given, place))
        if not isinstance(given, kind) or (kind is not bool and isinstance(given, bool)):
            raise self.error(f"{place} is {_short(given)}; expected {_in_words(kind)}.")
        if isinstance(given, int) and abs(given) > LARGEST_INTEGER:
            raise self.error(f"{place} is too large a number.")
        if isinstance(given, float) and not math.isfinite(given):
            raise self.error(f"{place} is {given}; expected a finite number.")
        return given


def _names(names: list[str]) -> str:
    shown = ", ".join(name if len(name) <= _LONGEST else _short(name) for name in names[:10])
    return shown + (f" and {len(names) - 10} more" if len(names) > 10 else "")


def _in_words(kind: Any) -> str:
    origin = get_origin(kind)
    if origin in (tuple, Sequence):
        return "a list"
    if origin is Mapping or is_dataclass(kind):
        return "a mapping"
    return _SPOKEN.get(kind, getattr(kind, "__name__", str(kind)))


class _Short(reprlib.Repr):
    """A repr that takes no more time and room than it shows."""

    def __init__(self) -> None:
        super().__init__()
        self.maxstring = self.maxother = self.maxlong = _LONGEST
        self.maxlist = self.maxdict = self.maxtuple = self.maxset = 20
        self.maxlevel = 4

    def repr_int(self, x: int, level: int) -> str:
        """Python refuses to write out thousands of digits."""
        if abs(x) > LARGEST_INTEGER:
            return f"a number of {x.bit_length()} bits"
        return super().repr_int(x, level)


def _short(given: object) -> str:
    text = _Short().repr(given)
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 3]}..."


_LONGEST = 80
