# SPDX-License-Identifier: Apache-2.0
"""Files read whole or refused, and written whole or not at all, with disk errors explained."""

import errno
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from segrgbx_core.errors import InputError, OutputError, SegRgbxError

FULL = (errno.ENOSPC, errno.EDQUOT)
REFUSED = {
    errno.EACCES: "permission is denied",
    errno.EPERM: "permission is denied",
    errno.EROFS: "the disk is read-only",
    errno.ENAMETOOLONG: "the name is too long",
    errno.ENOTDIR: "a part of the path is a file",
    errno.EEXIST: "a part of the path is a file",
    errno.EISDIR: "a folder of that name is in the way",
    errno.EIO: "the disk reports an error",
    errno.EFBIG: "it is larger than a file may be here",
}


class DiskFullError(OutputError):
    """The disk had no room for the rest; what was written before stays."""


def _full(place: Path) -> DiskFullError:
    return DiskFullError(
        f"The disk that holds {place} is full, so the results are incomplete; free some space or "
        "choose another output folder, and run again."
    )


@contextmanager
def disk_errors(place: Path) -> Iterator[None]:
    """Turns disk errors inside the block into one sentence about `place`.

    Raises DiskFullError for a full disk or quota and OutputError for missing permission, a
    read-only disk and the like; any other exception passes unchanged.
    """
    try:
        yield
    except OSError as err:
        if err.errno in FULL:
            raise _full(place) from err
        if err.errno not in REFUSED:
            raise
        at = err.filename if isinstance(err.filename, str) else place
        raise OutputError(
            f"Cannot write {at}: {REFUSED[err.errno]}; choose another output folder."
        ) from err
    except sqlite3.OperationalError as err:
        if "disk is full" not in str(err):
            raise
        raise _full(place) from err


def claim_output(folder: Path, force: bool) -> None:
    """Makes the folder, or takes an existing one that is empty or released by `force`.

    Nothing in it is deleted: with `force`, files of the same names are replaced as they are
    written, and all others stay.
    Raises OutputError for a folder that holds files, a path that is a file, or a disk error.
    """
    if folder.exists() and not folder.is_dir():
        raise OutputError(f"{folder} is a file; the output needs a folder.")
    with disk_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
        held = sorted(entry.name for entry in folder.iterdir())
    if held and not force:
        shown = ", ".join(held[:3]) + (f" and {len(held) - 3} more" if len(held) > 3 else "")
        raise OutputError(
            f"{folder} already holds files ({shown}); choose another folder, or add --force to "
            "replace files of the same names and leave the others alone."
        )


def write_whole(path: Path, data: bytes) -> None:
    """Writes the file complete or not at all: under a hidden name first, then renamed.

    Raises OutputError as `disk_errors` does; an older file of that name is then untouched.
    """
    part = path.with_name(f".{path.name}.part")
    with disk_errors(path):
        try:
            part.write_bytes(data)
            part.replace(path)
        except OSError:
            with suppress(OSError):
                part.unlink()
            raise


def input_bytes(path: Path, what: str) -> bytes:
    """The file's content; what: the expected kind of file, for the error.

    Raises InputError for a path that does not exist, is a folder, may not be read, is empty or
    holds a Git LFS pointer.
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
    refuse_pointer(path, data, InputError)
    return data


def refuse_pointer(path: Path, start: bytes, error: type[SegRgbxError]) -> None:
    """Raises `error` where a file begins as the text that Git LFS leaves in its place."""
    if start.startswith(b"version https://git-lfs.github.com/spec/"):
        raise error(
            f"{path} is a Git LFS pointer, the text that stands in for a large file; run 'git lfs "
            "pull' in its repository."
        )


def refuse_pointer_file(path: Path, error: type[SegRgbxError]) -> None:
    """`refuse_pointer` for a file that is not read yet; one that cannot be read passes."""
    with suppress(OSError), path.open("rb") as file:
        refuse_pointer(path, file.read(64), error)
