# SPDX-License-Identifier: Apache-2.0
"""Files read whole or refused, and written whole or not at all, with disk errors explained."""

import errno
import os
import secrets
import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

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


_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC


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
    Raises OutputError for a folder that holds files, a path that is a file, or a disk error; the
    folder itself may be a link.
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


def need_no_links(folders: Iterable[Path]) -> None:
    """Raises OutputError if one of the folders, which lie in the output folder, is a link.

    What is written or removed there would be in another place than the user named.
    """
    for folder in folders:
        if folder.is_symlink():
            raise OutputError(
                f"{folder} is a link to another place, where results would be written or removed; "
                "remove the link, or choose another output folder."
            )


def need_no_inputs(targets: Iterable[Path], inputs: Iterable[Path]) -> None:
    """Raises OutputError if a file that would be replaced or removed is one that is read.

    targets: the files that a command writes or removes, whether they exist or not. inputs: files,
    or folders whose files are read. Links to an input count as it.
    """
    there = [path for path in targets if path.exists()]
    if not there:
        return
    read = {_identity(path): path for path in _files_of(inputs)}
    for path in there:
        source = read.get(_identity(path))
        if source is not None:
            raise OutputError(
                f"{source} is an input, and {path} would be written in its place; choose another "
                "output."
            )


def _files_of(inputs: Iterable[Path]) -> Iterator[Path]:
    for path in inputs:
        if path.is_dir():
            yield from (inner for inner in path.iterdir() if inner.exists())
        elif path.exists():
            yield path


def _identity(path: Path) -> tuple[int, int]:
    facts = path.stat()
    return facts.st_dev, facts.st_ino


def make_folder(folder: Path) -> None:
    """Makes a folder inside the output folder, or takes the one that is there.

    Raises OutputError for a link, and as `disk_errors` does.
    """
    need_no_links([folder])
    with disk_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)


@contextmanager
def no_empty_folders(folder: Path | None) -> Iterator[None]:
    """Removes the folders on the path that the block made if it fails and leaves them empty."""
    path = None if folder is None else folder.absolute()
    missing = [] if path is None else [p for p in (path, *path.parents) if not p.exists()]
    try:
        yield
    except BaseException:
        for made in missing:
            with suppress(OSError):
                made.rmdir()
        raise


@contextmanager
def replacing(path: Path) -> Iterator[BinaryIO]:
    """A new file to write, which takes the path's place after the block, complete or not at all.

    It has a hidden random name and is made new, so that nothing is written through a link. Raises
    OutputError as `disk_errors` does; an older file of the path's name is then untouched.
    """
    with _part_of(path) as part, os.fdopen(os.open(part, _NEW, 0o666), "wb") as file:
        yield file


@contextmanager
def replacing_by_name(path: Path) -> Iterator[Path]:
    """As `replacing`, for libraries that open a file by its name: that of the empty new file."""
    with _part_of(path) as part:
        os.close(os.open(part, _NEW, 0o666))
        yield part


@contextmanager
def _part_of(path: Path) -> Iterator[Path]:
    """A hidden random name, whose file is renamed after the block, or removed on an error."""
    part = path.with_name(f".{secrets.token_hex(8)}.part")
    with disk_errors(path):
        try:
            yield part
            part.replace(path)
        except BaseException as err:
            with suppress(OSError):
                part.unlink()
            if isinstance(err, OSError) and err.filename == str(part):
                err.filename = str(path)
            raise


def need_room(folder: Path, size: int, what: str) -> None:
    """Raises OutputError if a file of so many bytes does not fit into the folder.

    what: the file in words. Takes the room for a moment, which also meets quotas and limits.
    """
    part = folder / f".{secrets.token_hex(8)}.part"
    try:
        number = os.open(part, _NEW, 0o666)
        try:
            os.posix_fallocate(number, 0, size)
        finally:
            os.close(number)
            part.unlink()
    except OSError as err:
        if err.errno not in (*FULL, errno.EFBIG):
            return  # a disk that cannot reserve, or one that refuses the file itself: it will say
        raise DiskFullError(
            f"{folder} has no room for {what} of {size / 1e6:.0f} MB; free some space, or choose "
            "another output folder."
        ) from err


class Reserve:
    """Room on a folder's disk for what must still be written when the disk is full.

    A file without a name, so that nothing of it stays where the process is killed. spent: whether
    the room was given because something else had none.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._held: int | None = None
        self.spent = False

    def take(self, size: int) -> None:
        """Takes so many bytes or, on a small disk, as much of them as there is."""
        part = self._folder / f".{secrets.token_hex(8)}.part"
        with suppress(OSError):
            self._held = os.open(part, _NEW, 0o600)
            part.unlink()
        while self._held is not None and size >= _LEAST_RESERVE:
            try:
                os.posix_fallocate(self._held, 0, size)
                return
            except OSError as err:
                if err.errno not in (*FULL, errno.EFBIG):
                    break  # a disk that cannot reserve
                size //= 2
        self.free()

    def free(self) -> bool:
        """Gives the room back; False if there is none."""
        held, self._held = self._held, None
        if held is not None:
            os.close(held)
        return held is not None

    @contextmanager
    def offered(self) -> Iterator[None]:
        """Inside the block, `make_room` takes this one; after it the room is given back."""
        _offered.append(self)
        try:
            yield
        finally:
            _offered.remove(self)
            self.free()


_LEAST_RESERVE = 1 << 17
_offered: list[Reserve] = []


def make_room() -> bool:
    """Gives back an offered reserve, so that what was refused can be tried again."""
    for reserve in _offered:
        if reserve.free():
            reserve.spent = True
            return True
    return False


def write_whole(path: Path, data: bytes) -> None:
    """Writes the file complete or not at all; raises OutputError as `replacing` does.

    Where the disk is full it is tried again in the room of an offered reserve.
    """
    try:
        _write(path, data)
    except DiskFullError:
        if not make_room():
            raise
        _write(path, data)


def _write(path: Path, data: bytes) -> None:
    with replacing(path) as file:
        file.write(data)


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


def starts_with(path: Path, magic: bytes) -> bool:
    """Whether the file's first bytes are these. Raises OSError for one that cannot be read."""
    with path.open("rb") as file:
        return file.read(len(magic)) == magic


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
