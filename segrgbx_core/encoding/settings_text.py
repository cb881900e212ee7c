# SPDX-License-Identifier: Apache-2.0
"""Parse settings of a sensor's encoding from `name=value` texts, typed by the settings' fields."""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

import yaml

from segrgbx_core.encoding.contract import EncodingSettings
from segrgbx_core.encoding.table import encoding_of
from segrgbx_core.errors import InputError


@dataclass(frozen=True)
class SettingLine:
    """The description of one setting.

    kind: the type of its values, as the user writes them. unit, accepts: empty if kind is enough.
    """

    name: str
    kind: str
    default: str
    unit: str
    accepts: str
    meaning: str


def settings_from_text(modality: str, texts: Sequence[str]) -> EncodingSettings | None:
    """The modality's settings with these `name=value` texts applied; None without texts.

    Raises InputError for an unknown name, a name given twice, and a value of a wrong type or out
    of range.
    """
    if not texts:
        return None
    kind = encoding_of(modality).settings
    types = _settable(kind)
    values: dict[str, object] = {}
    for text in texts:
        name, equals, value = (part.strip() for part in text.partition("="))
        if not equals or not value:
            raise InputError(f"Setting '{text}' is not of the form name=value.")
        if name not in types:
            raise InputError(
                f"{modality.replace('_', ' ').capitalize()} has no setting '{name}'; it has "
                f"{', '.join(types)}: see `segrgbx info --settings {modality}`."
            )
        if name in values:
            raise InputError(f"Setting {name} is given twice, as '{text}' too; give it once.")
        values[name] = _typed(name, value, types[name])
    return kind(**values)


def settings_as_text(settings: EncodingSettings) -> tuple[str, ...]:
    """The `name=value` texts from which `settings_from_text` makes these settings again.

    Only of those that differ from the defaults; a camera, which no text can hold, is left out.
    """
    usual = type(settings)()
    changed = [
        name
        for name in _settable(type(settings))
        if getattr(settings, name) != getattr(usual, name)
    ]
    return tuple(f"{name}={_shown(getattr(settings, name))}" for name in changed)


def setting_lines(modality: str) -> tuple[SettingLine, ...]:
    """The description of every setting of the modality that can be given as text."""
    encoding = encoding_of(modality)
    texts = encoding.setting_texts()
    made: Any = encoding.settings()
    return tuple(
        SettingLine(
            name,
            _in_words(hint),
            _shown(getattr(made, name)),
            texts[name].unit,
            texts[name].accepts,
            texts[name].meaning,
        )
        for name, hint in _settable(encoding.settings).items()
    )


def _settable(kind: type[EncodingSettings]) -> dict[str, Any]:
    """Field names and types, without fields that hold objects such as a camera."""
    hints = get_type_hints(kind)
    plain = {f.name: hints[f.name] for f in fields(kind)}
    return {name: hint for name, hint in plain.items() if _is_plain(hint)}


def _is_plain(hint: Any) -> bool:
    origin = get_origin(hint)
    if origin in (Union, UnionType, tuple):
        return all(_is_plain(part) for part in get_args(hint) if part is not Ellipsis)
    return origin is Literal or hint in (bool, int, float, str, NoneType)


def _typed(name: str, text: str, hint: Any) -> object:
    """Converts the text to the type; InputError if it cannot be converted."""
    choices = get_args(hint) if get_origin(hint) in (Union, UnionType) else (hint,)
    if NoneType in choices and text.lower() == "none":
        return None
    for choice in choices:
        try:
            return _one(text, choice)
        except ValueError:
            continue
    raise InputError(f"Setting {name} is '{text}'; expected {_in_words(hint)}.")


def _one(text: str, kind: Any) -> object:
    """Converts the text to exactly this type; ValueError if it cannot be converted."""
    if get_origin(kind) is Literal:
        if text in get_args(kind):
            return text
        raise ValueError(text)
    if get_origin(kind) is tuple:
        return _tuple(text, kind)
    if kind is bool and text.lower() in ("true", "false"):
        return text.lower() == "true"
    if kind in (int, float, str):
        return kind(text)
    raise ValueError(text)


def _tuple(text: str, kind: Any) -> object:
    """Converts numbers in brackets, such as [[3, 4], [5, 6]], to nested tuples of this type."""
    try:
        return _frozen(yaml.safe_load(text), kind)
    except (yaml.YAMLError, LookupError, AttributeError, RecursionError) as err:
        raise ValueError(text) from err


def _frozen(value: object, kind: Any) -> object:
    if get_origin(kind) is not tuple:
        if type(value) is kind or (kind is float and type(value) is int):
            return value
        raise ValueError(value)
    if not isinstance(value, list):
        raise ValueError(value)
    kinds = get_args(kind)
    if Ellipsis in kinds:
        kinds = kinds[:1] * len(value)
    return tuple(_frozen(part, each) for part, each in zip(value, kinds, strict=True))


def _in_words(hint: Any) -> str:
    """The name of the type for users."""
    origin = get_origin(hint)
    if origin in (Union, UnionType):
        return " or ".join(_in_words(part) for part in get_args(hint))
    if origin is Literal:
        return " or ".join(str(choice) for choice in get_args(hint))
    if origin is tuple:
        inner = [_in_words(part) for part in get_args(hint) if part is not Ellipsis]
        more = ", ..." if Ellipsis in get_args(hint) else ""
        return f"[{', '.join(inner)}{more}]"
    words = {bool: "true or false", int: "whole number", float: "number", str: "word"}
    return words.get(hint, "none")


def _shown(value: object) -> str:
    if value is None:
        return "none"
    if isinstance(value, tuple):
        return str([list(v) if isinstance(v, tuple) else v for v in value])
    return str(value).lower() if isinstance(value, bool) else str(value)
