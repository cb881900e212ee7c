# SPDX-License-Identifier: Apache-2.0
"""Read YAML and JSON files strictly.

Refuses duplicate keys, of which parsers silently keep the last, and files that are too large for
settings. Numbers with an exponent are numbers, as in YAML 1.2; PyYAML reads 1e-3 as text.
"""

import gc
import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

import yaml
from yaml.composer import Composer

from segrgbx_core.bounds import (
    LISTING_YAML,
    MOST_DEPTH,
    MOST_JSON_BYTES,
    SETTINGS_YAML,
    YamlBounds,
)
from segrgbx_core.errors import SegRgbxError, guarded
from segrgbx_core.files.disk import refuse_pointer

_NUMBER = re.compile(r"[-+]?(\d[\d_]*)(\.\d*)?[eE][-+]?\d+$")
_LETTERS_PER_VALUE = 100


class _RefusedError(yaml.constructor.ConstructorError):
    """Well-formed YAML that a parser would not read as intended, or not in bounded memory."""


# libyaml's parser, four times as fast, below PyYAML's composer, which can be told to count.
# Its own composer recurses in C, where deep nesting ends the process (PyYAML 6.0).
_Parser: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_TextParser: Any = getattr(yaml, "CBaseLoader", yaml.BaseLoader)


class _Counting(Composer):
    """Counts values as they are met, those of an alias each time, and levels of nesting."""

    def __init__(self, most_values: int) -> None:
        Composer.__init__(self)
        self._most, self._values, self._depth = most_values, 0, 0
        self._sizes: dict[str, int] = {}

    def compose_node(self, parent: Any, index: Any) -> yaml.Node | None:
        event = cast(Any, self).peek_event()
        anchor, start, before = event.anchor, event.start_mark, self._values
        self._depth += 1
        if self._depth > MOST_DEPTH:
            raise _RefusedError(problem=f"more than {MOST_DEPTH} levels", problem_mark=start)
        node = super().compose_node(parent, index)
        self._depth -= 1
        if isinstance(event, yaml.AliasEvent):
            if anchor not in self._sizes:
                raise _RefusedError(problem="an alias contains itself", problem_mark=start)
            self._values += self._sizes[anchor]
        else:
            self._values += 1
            if isinstance(node, yaml.ScalarNode):
                self._values += len(node.value) // _LETTERS_PER_VALUE
            if anchor is not None:
                self._sizes[anchor] = self._values - before
        if self._values > self._most:
            raise _RefusedError(
                problem=f"more than {self._most} values, aliases counted",
                problem_mark=start,
            )
        return node

    def compose_mapping_node(self, anchor: Any) -> yaml.MappingNode:
        """The mapping as written, before merge keys (<<) add to it."""
        node: yaml.MappingNode = super().compose_mapping_node(anchor)
        seen = set[str]()
        for key, _ in node.value:
            if not isinstance(key, yaml.ScalarNode):
                raise _RefusedError(
                    problem="a key is a list or a mapping", problem_mark=key.start_mark
                )
            if key.value in seen:
                mark: Any = key.start_mark
                raise _RefusedError(problem=f"key '{key.value}' is given twice", problem_mark=mark)
            seen.add(key.value)
        return node


class _Loader(_Counting, _Parser):  # type: ignore[misc]
    def __init__(self, text: str, most_values: int) -> None:
        _Parser.__init__(self, text)
        _Counting.__init__(self, most_values)


class _TextLoader(_Counting, _TextParser):  # type: ignore[misc]
    def __init__(self, text: bytes, most_values: int) -> None:
        _TextParser.__init__(self, text)
        _Counting.__init__(self, most_values)


def yaml_texts(data: bytes) -> object:
    """The content with every scalar as text, so that dates and tags are nothing special.

    Bounded as a listing is. Raises yaml.YAMLError, and what a parser throws.
    """
    return _TextLoader(data, LISTING_YAML.values).get_single_data()


class _Dumper(yaml.SafeDumper):
    """Quotes what _Loader would read as a number."""


for _side in (_Loader, _Dumper):
    _side.add_implicit_resolver("tag:yaml.org,2002:float", _NUMBER, list("-+0123456789"))


def yaml_text(content: object, width: int = 99) -> str:
    """The text that `read_yaml` reads as this content; keys stay in their order."""
    text: str = yaml.dump(
        content, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=width
    )
    return text


def read_yaml(path: Path, error: type[SegRgbxError], most: YamlBounds = SETTINGS_YAML) -> object:
    """The content of the file: mappings, lists and scalars.

    Raises `error`, with the line number if known, for a file that cannot be read or is not YAML,
    for a duplicate key, and for a file of more than `most` or 64 levels.
    """
    text = _text(path, error, most.bytes)
    refusal = f"{path} is not readable YAML: a value is out of range ({{}})."
    with guarded(str(path), error, refusal), _uncollected():
        try:
            return _Loader(text, most.values).get_single_data()
        except yaml.MarkedYAMLError as err:
            line = "" if err.problem_mark is None else f", line {err.problem_mark.line + 1}"
            fault = "" if isinstance(err, _RefusedError) else " not readable YAML,"
            raise error(f"{path}{line}:{fault} {err.problem or 'a syntax error'}.") from err
        except yaml.YAMLError as err:
            raise error(f"{path} is not readable YAML: it holds control characters.") from err


@contextmanager
def _uncollected() -> Iterator[None]:
    """Without Python's search for cycles, which takes as long again where nodes are many."""
    collects = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if collects:
            gc.enable()


def read_json(path: Path, error: type[SegRgbxError]) -> object:
    """The content of the file, at most 16 MiB. Raises `error` in the cases of `read_yaml`."""
    text = _text(path, error, MOST_JSON_BYTES)
    with guarded(str(path), error, f"{path} is not readable JSON: {{}}."):
        return json.loads(text, object_pairs_hook=_once)


def _once(pairs: list[tuple[str, object]]) -> dict[str, object]:
    mapping = dict(pairs)
    if len(mapping) != len(pairs):
        names = [name for name, _ in pairs]
        raise ValueError(f"key '{max(names, key=names.count)}' is given twice")
    return mapping


def _text(path: Path, error: type[SegRgbxError], most: int) -> str:
    try:
        size = path.stat().st_size
        if size > most:
            raise error(f"{path} has {size} bytes; expected at most {most}: is it the file?")
        text = path.read_text("utf-8")
        refuse_pointer(path, text.encode()[:64], error)
        return text
    except UnicodeDecodeError as err:
        raise error(f"{path} is not text in UTF-8; save it in UTF-8.") from err
    except OSError as err:
        raise error(f"{path} cannot be read: {err.strerror}.") from err
