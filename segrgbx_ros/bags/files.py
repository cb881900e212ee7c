# SPDX-License-Identifier: Apache-2.0
"""Finds and opens the data files of a recording by what they hold, whatever their names say."""

import re
from collections.abc import Collection, Iterator
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Protocol

from segrgbx_core.errors import BagError, guarded
from segrgbx_core.files.disk import refuse_pointer_file, starts_with
from segrgbx_ros.bags.mcap import McapFile, is_mcap
from segrgbx_ros.bags.metadata import METADATA_FILE, BagMessage, BagMetadata, BagTopic
from segrgbx_ros.bags.order import Damage
from segrgbx_ros.bags.sqlite import SqliteFile, is_sqlite
from segrgbx_ros.bags.unpack import ZSTD_MAGIC, unpack_file

PACKED = ".zstd"
DATA_SUFFIXES = (".mcap", ".db3", ".mcap.zstd", ".db3.zstd")
_NUMBERED = re.compile(r"(.*)_(\d+)(\.mcap|\.db3)(\.zstd)?")


class DataFile(Protocol):
    """An open data file. topics: with the number of readable messages.

    first_ns, last_ns: log times, None without a message. cut: whether its end is missing.
    """

    topics: tuple[BagTopic, ...]
    first_ns: int | None
    last_ns: int | None
    cut: bool

    def messages(
        self, topics: Collection[str], damage: Damage, between: tuple[int, int] | None = None
    ) -> Iterator[BagMessage]:
        """The messages of these topics in log-time order; what cannot be read is counted.

        between: first log time and the one behind the last; what lies outside may be left out
        where that saves reading it.
        """
        ...


@dataclass(frozen=True)
class Located:
    """The data files of a recording in the order of recording, and those that are missing."""

    files: tuple[Path, ...]
    missing: tuple[str, ...] = ()


def located(path: Path, metadata: BagMetadata | None) -> Located:
    """The data files of a folder, or the file itself.

    Without `metadata.yaml`, a folder's files are those of one recording if there is one, or if
    they differ in their number alone, as a recorder that was killed leaves them. Raises BagError
    if there are none.
    """
    if not path.is_dir():
        return Located((path,))
    if metadata is None:
        return Located(_unlisted(path))
    files, missing = [], []
    for name in dict.fromkeys(metadata.files):
        file = _existing(path, name)
        if file is None:
            missing.append(name)
        else:
            files.append(file)
    if not files:
        named = ", ".join(name[:80] for name in missing[:3])
        raise BagError(
            f"{path / METADATA_FILE} names {named}, which is not in the folder; "
            f"{_in_its_place(path)}."
        )
    return Located(tuple(files), tuple(missing))


def _in_its_place(folder: Path) -> str:
    """What to do where no file that is named is there: people rename recordings."""
    others = sorted(p.name for p in folder.iterdir() if p.name.endswith(DATA_SUFFIXES))
    if not others:
        return "copy the recording again, with all its files"
    return (
        f"give the file that is there ({', '.join(others[:3])}) itself, or run 'ros2 bag reindex' "
        "if it was renamed"
    )


def _existing(folder: Path, name: str) -> Path | None:
    """The file, or the same one unpacked or packed: recorders and people change that later."""
    for candidate in (name.removesuffix(PACKED), name, name + PACKED):
        with suppress(OSError, ValueError):
            if candidate and (folder / candidate).is_file():
                return folder / candidate
    return None


def _unlisted(folder: Path) -> tuple[Path, ...]:
    held = sorted(p for p in folder.iterdir() if p.name.endswith(DATA_SUFFIXES) and p.is_file())
    numbered = [_NUMBERED.fullmatch(p.name) for p in held]
    if len(held) == 1:
        return tuple(held)
    if held and all(numbered) and len({m[1] for m in numbered if m}) == 1:
        by_number = {int(m[2]): p for m, p in zip(numbered, held, strict=True) if m}
        if len(by_number) == len(held):
            return tuple(by_number[number] for number in sorted(by_number))
    way_out = (
        f"give one of its data files instead ({', '.join(p.name for p in held[:4])}) or run "
        "'ros2 bag reindex'"
        if held
        else "a recording is a folder with metadata.yaml, or one .mcap or .db3 file"
    )
    raise BagError(f"{folder} has no {METADATA_FILE}, so it is not a recording; {way_out}.")


@dataclass(frozen=True)
class Opened:
    """A data file that is open. path: as named by the user. cut: whether it breaks off."""

    path: Path
    data: DataFile
    cut: bool


def opened(path: Path, stack: ExitStack) -> Opened:
    """The data file, open until the stack closes; a packed one as a copy that is not.

    Raises BagError if it is not a recording, and for whatever keeps it from being read.
    """
    refusal = (
        f"{path} cannot be read as a recording ({{}}); check that it is whole, or record it again."
    )
    with guarded(str(path), BagError, refusal):
        try:
            return _unpacked(path, stack)
        except PermissionError as err:
            raise BagError(f"{path} cannot be read: permission is denied.") from err


def _unpacked(path: Path, stack: ExitStack) -> Opened:
    place, whole = path, True
    if path.stat().st_size > 0 and starts_with(path, ZSTD_MAGIC):
        folder = stack.enter_context(TemporaryDirectory(prefix="segrgbx-"))
        place = Path(folder) / path.name.removesuffix(PACKED)
        whole = unpack_file(path, place) is None
    data = _by_content(place, path, whole, stack)
    return Opened(path, data, data.cut or not whole)


def _by_content(place: Path, path: Path, whole: bool, stack: ExitStack) -> DataFile:
    if is_mcap(place):
        return McapFile(place, path, stack)
    if is_sqlite(place):
        return SqliteFile(place, path, stack)
    if place.stat().st_size == 0 and not whole:
        raise nothing_left(path)
    refuse_pointer_file(path, BagError)
    raise _no_recording(path)


def _no_recording(path: Path) -> BagError:
    if path.stat().st_size == 0:
        return BagError(f"{path} is empty, 0 bytes; copy or record it again.")
    if path.name.endswith(DATA_SUFFIXES):
        return BagError(
            f"{path} has the name of a recording, but its content is neither MCAP nor sqlite3; "
            "check the file."
        )
    way_out = (
        "convert a ROS 1 bag with 'rosbags-convert'"
        if path.suffix == ".bag"
        else "expected a folder with metadata.yaml, or one .mcap or .db3 file"
    )
    return BagError(f"{path} is not a ROS 2 recording; {way_out}.")


def nothing_left(path: Path) -> BagError:
    """The error of a file that breaks off before its first message."""
    repair = ", or try SQLite's '.recover'" if is_sqlite(path) else ""
    return BagError(
        f"{path} breaks off after {path.stat().st_size} bytes, and no message can be read "
        f"without the rest; copy or record it again{repair}."
    )
