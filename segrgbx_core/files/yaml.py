# SPDX-License-Identifier: Apache-2.0
"""Read YAML and JSON files strictly.

Refuses duplicate keys, of which parsers silently keep the last, and files that are too large for
settings. Numbers with an exponent are numbers, as in YAML 1.2; PyYAML reads 1e-3 as text.
"""

import json
import re
from pathlib import Path
from typing import Any

import yaml

from segrgbx_core.errors import SegRgbxError

MOST_BYTES = 1 << 24
_NUMBER = re.compile(r"[-+]?(\d[\d_]*)(\.\d*)?[eE][-+]?\d+$")


class _RefusedKeyError(yaml.constructor.ConstructorError):
    """Well-formed YAML that a parser would not read as intended."""


class _Loader(yaml.SafeLoader):
    def compose_mapping_node(self, anchor: Any) -> yaml.MappingNode:
        """The mapping as written, before merge keys (<<) add to it."""
        node: yaml.MappingNode = super().compose_mapping_node(anchor)
        seen = set[str]()
        for key, _ in node.value:
            if not isinstance(key, yaml.ScalarNode):
                raise _RefusedKeyError(
                    problem="a key is a list or a mapping", problem_mark=key.start_mark
                )
            if key.value in seen:
                raise _RefusedKeyError(
                    problem=f"key '{key.value}' is given twice", problem_mark=key.start_mark
                )
            seen.add(key.value)
        return node


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


def read_yaml(path: Path, error: type[SegRgbxError]) -> object:
    """The content of the file: mappings, lists and scalars.

    Raises `error`, with the line number if known, for a file that cannot be read or is not YAML,
    for a duplicate key, and for a file of more than 16 MiB.
    """
    text = _text(path, error)
    try:
        return yaml.load(text, _Loader)
    except yaml.MarkedYAMLError as err:
        line = "" if err.problem_mark is None else f", line {err.problem_mark.line + 1}"
        fault = "" if isinstance(err, _RefusedKeyError) else " not readable YAML,"
        raise error(f"{path}{line}:{fault} {err.problem or 'a syntax error'}.") from err
    except yaml.YAMLError as err:
        raise error(f"{path} is not readable YAML: it holds control characters.") from err
    except RecursionError as err:
        raise error(f"{path} is not readable YAML: it is nested too deeply.") from err
    except (ValueError, LookupError, AttributeError) as err:
        raise error(f"{path} is not readable YAML: a value is out of range ({err}).") from err


def read_json(path: Path, error: type[SegRgbxError]) -> object:
    """The content of the file. Raises `error` in the cases of `read_yaml`."""
    text = _text(path, error)
    try:
        return json.loads(text, object_pairs_hook=_once)
    except (ValueError, RecursionError) as err:
        raise error(f"{path} is not readable JSON: {err}.") from err


def _once(pairs: list[tuple[str, object]]) -> dict[str, object]:
    mapping = dict(pairs)
    if len(mapping) != len(pairs):
        names = [name for name, _ in pairs]
        raise ValueError(f"key '{max(names, key=names.count)}' is given twice")
    return mapping


def _text(path: Path, error: type[SegRgbxError]) -> str:
    try:
        size = path.stat().st_size
        if size > MOST_BYTES:
            raise error(f"{path} has {size} bytes; expected at most {MOST_BYTES}: is it the file?")
        return path.read_text("utf-8")
    except UnicodeDecodeError as err:
        raise error(f"{path} is not text in UTF-8; save it in UTF-8.") from err
    except OSError as err:
        raise error(f"{path} cannot be read: {err.strerror}.") from err
