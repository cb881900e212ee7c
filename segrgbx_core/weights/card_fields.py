# SPDX-License-Identifier: Apache-2.0
"""Typed reading of a card's YAML: each getter returns its type or says what is wrong where."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

import yaml

from segrgbx_core.errors import ModelError


@dataclass(frozen=True)
class Fields:
    """One mapping of a YAML file; `place` is the file and the dotted path to the mapping."""

    content: Mapping[str, object]
    place: str

    def group(self, key: str) -> "Fields":
        """The mapping under `key`."""
        return Fields(_string_keys(self._get(key), f"{self.place}.{key}"), f"{self.place}.{key}")

    def groups(self, key: str) -> tuple["Fields", ...]:
        """The list of mappings under `key`."""
        places = [f"{self.place}.{key}[{i}]" for i in range(len(self._list(key)))]
        entries = zip(self._list(key), places, strict=True)
        return tuple(Fields(_string_keys(entry, place), place) for entry, place in entries)

    def text(self, key: str) -> str:
        value = self._get(key)
        return value if isinstance(value, str) else self._refuse(key, value, "a text")

    def integer(self, key: str) -> int:
        value = self._get(key)
        if isinstance(value, int) and not isinstance(value, bool):
            return value
        return self._refuse(key, value, "a whole number")

    def optional_integer(self, key: str) -> int | None:
        return None if self.content.get(key) is None else self.integer(key)

    def integers(self, key: str) -> tuple[int, ...]:
        values = self._list(key)
        found = tuple(v for v in values if isinstance(v, int) and not isinstance(v, bool))
        if len(found) == len(values):
            return found
        return self._refuse(key, values, "a list of whole numbers")

    def or_defaults(self, defaults: Mapping[str, object]) -> "Fields":
        """The same mapping with these values for keys that it lacks."""
        return Fields({**defaults, **self.content}, self.place)

    def flag(self, key: str, default: bool | None = None) -> bool:
        """True or false; a missing entry is the default where there is one."""
        value = self._get(key) if default is None else self.content.get(key, default)
        return value if isinstance(value, bool) else self._refuse(key, value, "true or false")

    def texts(self, key: str) -> tuple[str, ...]:
        values = self._list(key)
        found = tuple(v for v in values if isinstance(v, str))
        return found if len(found) == len(values) else self._refuse(key, values, "a list of texts")

    def triple(self, key: str) -> tuple[float, float, float]:
        values = self._list(key)
        numbers = [float(v) for v in values if isinstance(v, (int, float))]
        if len(numbers) != 3 or len(values) != 3:
            return self._refuse(key, values, "three numbers")
        return numbers[0], numbers[1], numbers[2]

    def facts(self, key: str) -> dict[str, str | int | float]:
        """A free mapping of names to texts and numbers."""
        found: dict[str, str | int | float] = {}
        for name, value in self.group(key).content.items():
            if not isinstance(value, (str, int, float)):
                return self._refuse(f"{key}.{name}", value, "a text or a number")
            found[name] = value
        return found

    def _get(self, key: str) -> object:
        if key not in self.content:
            raise ModelError(
                f"{self.place} has no entry '{key}'; add it, or save the model anew with this "
                "version."
            )
        return self.content[key]

    def _list(self, key: str) -> list[object]:
        value = self._get(key)
        return value if isinstance(value, list) else self._refuse(key, value, "a list")

    def _refuse(self, key: str, value: object, expected: str) -> NoReturn:
        raise ModelError(f"{self.place}.{key} is {value!r}; expected {expected}.")


def _string_keys(value: object, place: str) -> dict[str, object]:
    if not isinstance(value, dict) or not all(isinstance(key, str) for key in value):
        raise ModelError(f"{place} is not a mapping of names to values; restore the file.")
    return value


def read_fields(path: Path) -> Fields:
    """The top mapping of a YAML file.

    Raises ModelError where it cannot be read, is not YAML, or holds no mapping.
    """
    try:
        content = yaml.safe_load(path.read_text("utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as err:
        where = getattr(err, "problem_mark", None)
        line = f" near line {where.line + 1}" if where else ""
        raise ModelError(f"{path} is not readable YAML{line}; restore the file.") from err
    except OSError as err:
        raise ModelError(f"{path} cannot be read ({err.strerror}); restore the file.") from err
    return Fields(_string_keys(content, str(path)), str(path))
