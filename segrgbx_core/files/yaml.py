# SPDX-License-Identifier: Apache-2.0
"""A recipe's YAML, read without what PyYAML lets pass: keys given twice, and 1e-3 as text."""

import re
from collections.abc import Hashable
from pathlib import Path
from typing import Any

import yaml

from segrgbx_core.errors import RecipeError

_NUMBER = re.compile(r"[-+]?(\d[\d_]*)(\.\d*)?[eE][-+]?\d+$")


class _Loader(yaml.SafeLoader):
    """Refuses keys given twice; numbers with an exponent are numbers, as in YAML 1.2."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        """The mapping, merge keys (<<) included, which may be given again."""
        seen = set[object]()
        for key, _ in node.value:
            if not isinstance(key, yaml.ScalarNode):
                raise yaml.constructor.ConstructorError(
                    problem="a key is a list or a mapping", problem_mark=key.start_mark
                )
            if key.value in seen:
                raise yaml.constructor.ConstructorError(
                    problem=f"key '{key.value}' is given twice", problem_mark=key.start_mark
                )
            seen.add(key.value)
        return super().construct_mapping(node, deep)


_Loader.add_implicit_resolver("tag:yaml.org,2002:float", _NUMBER, list("-+0123456789"))


def read_yaml(path: Path) -> object:
    """What the file holds.

    Raises RecipeError, which names the line, for what is no YAML and for a key given twice.
    """
    try:
        return yaml.load(path.read_text("utf-8"), _Loader)
    except yaml.MarkedYAMLError as err:
        line = "" if err.problem_mark is None else f", line {err.problem_mark.line + 1}"
        raise RecipeError(f"{path}{line}: {err.problem or 'this is no YAML'}.") from err
    except yaml.YAMLError as err:
        raise RecipeError(f"{path} is no YAML; it holds characters that no text has.") from err
    except UnicodeDecodeError as err:
        raise RecipeError(f"{path} is no text in UTF-8; save it as that.") from err
    except ValueError as err:
        raise RecipeError(f"{path} has a value that is none ({err}).") from err
    except OSError as err:
        raise RecipeError(f"{path} cannot be read: {err.strerror}.") from err
