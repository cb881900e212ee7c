# SPDX-License-Identifier: Apache-2.0
"""Files that a user names, read whole, or refused in one sentence."""

from pathlib import Path

from segrgbx_core.errors import InputError


def input_bytes(path: Path, what: str) -> bytes:
    """The file's content; what: how to name a file of the kind expected.

    Raises InputError for a path that does not exist, is a folder, may not be read or is empty.
    """
    if not path.exists():
        raise InputError(f"{path} does not exist; check the path.")
    if path.is_dir():
        raise InputError(f"{path} is a folder; expected {what}.")
    try:
        data = path.read_bytes()
    except PermissionError as err:
        raise InputError(f"{path} cannot be read: permission is denied.") from err
    if not data:
        raise InputError(f"{path} is empty; record or copy it again.")
    return data
