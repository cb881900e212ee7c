# SPDX-License-Identifier: Apache-2.0
"""Packages that only some files need, imported when such a file is met."""

from importlib import import_module
from typing import Any

from segrgbx_core.errors import InputError


def package_for(what: str, module: str, extra: str) -> Any:
    """The module. what: the file or topic that needs it, as the subject of a sentence.

    Raises InputError that says how to install the extra of ours that brings it.
    """
    try:
        return import_module(module)
    except ImportError as err:
        raise InputError(
            f"{what} needs the package {module}, which is not installed: run pip install "
            f"'segrgbx_ros[{extra}]' (or pip install {module})."
        ) from err
