# SPDX-License-Identifier: Apache-2.0
"""The cameras of a process, by the namespaces of their nodes."""

import re

from segrgbx_core.errors import InputError

_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]*")


def camera_names(text: str) -> tuple[str, ...]:
    """The names in "front,left"; none in an empty text.

    Raises InputError for a name that is no namespace of ROS or given twice.
    """
    names = tuple(name.strip() for name in text.split(",") if name.strip())
    for name in names:
        if _NAME.fullmatch(name) is None:
            raise InputError(
                f"Parameter cameras has the name '{name}'; expected letters, digits and "
                "underscores, a letter first, such as front,left."
            )
        if names.count(name) > 1:
            raise InputError(f"Parameter cameras has '{name}' twice; give each camera its own.")
    return names
