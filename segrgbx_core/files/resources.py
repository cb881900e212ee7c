# SPDX-License-Identifier: Apache-2.0
"""Finds the files that ship with the package: models, label sets, recipes, messages.

The same folder is found from the source tree, a pip install (`<prefix>/share/segrgbx_ros`)
and a colcon install (the same place under the install prefix).
"""

import os
import platform
import re
from functools import cache
from importlib import import_module, metadata
from pathlib import Path
from typing import Any

from segrgbx_core.errors import InputError, SegRgbxError

PACKAGE = "segrgbx_ros"


def _holds_package(folder: Path) -> bool:
    manifest = folder / "package.xml"
    return manifest.is_file() and f"<name>{PACKAGE}</name>" in manifest.read_text("utf-8")


@cache
def share_dir() -> Path:
    """The folder that holds `package.xml`, `models/`, `config/` and `msg/`.

    Raises SegRgbxError where the installation lacks it.
    """
    here = Path(__file__).resolve()
    for parent in here.parents:
        for folder in (parent, parent / "share" / PACKAGE):
            if _holds_package(folder):
                return folder
    raise SegRgbxError(
        f"The shared files of {PACKAGE} (models, config) were not found in any folder above "
        f"{here.parent}; expected share/{PACKAGE}: install the package again with pip or colcon."
    )


@cache
def version() -> str:
    """The package's version, read from `package.xml`, the only place it is written."""
    text = (share_dir() / "package.xml").read_text("utf-8")
    match = re.search(r"<version>([^<]+)</version>", text)
    if match is None:
        raise SegRgbxError(f"{share_dir() / 'package.xml'} has no <version>; restore the file.")
    return match.group(1)


def versions() -> dict[str, str]:
    """Versions of this package, of the packages the figures depend on, and of Python."""
    numbers = {"segrgbx": version()}
    for name in ("torch", "numpy", "rosbags"):
        try:
            numbers[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            numbers[name] = "unknown"
    numbers["python"] = platform.python_version()
    return numbers


def cache_folder() -> Path:
    """What can be made again at any time: $SEGRGBX_CACHE, else $XDG_CACHE_HOME/segrgbx, else
    ~/.cache/segrgbx. It need not be there yet."""
    own = os.environ.get("SEGRGBX_CACHE")
    if own:
        return Path(own)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "segrgbx"


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
