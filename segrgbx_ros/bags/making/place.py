# SPDX-License-Identifier: Apache-2.0
"""Where a made recording is put: one file or a folder, complete or not at all."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from segrgbx_core.errors import InputError, OutputError
from segrgbx_core.files.disk import claim_output, disk_errors, need_no_inputs
from segrgbx_core.stopping import StoppedError
from segrgbx_ros.bags.metadata import METADATA_FILE

FILE_ENDINGS = {".mcap": "mcap", ".db3": "sqlite3"}
_PART = ".part-"


def is_bag_file(out: Path) -> bool:
    """Whether the path names one data file; else it names a recording's folder."""
    return out.suffix in FILE_ENDINGS


def storage_of(out: Path, told: str | None) -> str:
    """ "mcap" or "sqlite3": as told, else by the file's ending, else MCAP.

    Raises InputError if both are given and differ.
    """
    ending = FILE_ENDINGS.get(out.suffix)
    if told is not None and ending is not None and told != ending:
        raise InputError(
            f"{out} is named as a file of storage '{ending}', but --storage is {told}; leave one "
            "of them out."
        )
    return told or ending or "mcap"


def claim_bag(out: Path, force: bool, inputs: Iterable[Path]) -> None:
    """Makes the folder in which the recording is to lie.

    Raises OutputError where something is there already, unless with force, and never replaces an
    input.
    """
    if not is_bag_file(out):
        need_no_inputs(_written(out), inputs)
        claim_output(out, force)
        return
    if out.is_dir():
        raise OutputError(f"{out} is a folder, but names a file; choose another name.")
    if out.exists() and not force:
        raise OutputError(f"{out} already exists; choose another name, or add --force.")
    need_no_inputs([out], inputs)
    with disk_errors(out):
        out.parent.mkdir(parents=True, exist_ok=True)


def _written(out: Path) -> list[Path]:
    name = out.resolve().name
    return [out / METADATA_FILE, *(out / f"{name}{ending}" for ending in FILE_ENDINGS)]


@contextmanager
def placed(out: Path) -> Iterator[Path]:
    """A new recording's folder to write to, of which the file or folder `out` is made.

    A recording that is stopped between two captures is whole, and is kept as well.
    """
    if not is_bag_file(out):
        with placed_in(out) as made:
            yield made
        return
    with _beside(out, out.parent, lambda made: _data_file(made).replace(out)) as made:
        yield made


@contextmanager
def placed_in(folder: Path) -> Iterator[Path]:
    """As `placed`, in a folder that is there, whatever its name."""
    with _beside(folder, folder, lambda made: _move(made, folder)) as made:
        yield made


@contextmanager
def _beside(out: Path, folder: Path, keep: Callable[[Path], object]) -> Iterator[Path]:
    with disk_errors(out), TemporaryDirectory(dir=folder, prefix=_PART) as part:
        made = Path(part) / out.resolve().name
        try:
            yield made
        except StoppedError:
            keep(made)
            raise
        keep(made)


def _data_file(made: Path) -> Path:
    return next(path for path in made.iterdir() if path.name != METADATA_FILE)


def _move(made: Path, folder: Path) -> None:
    """The data files first, so that a folder with metadata.yaml is complete."""
    for file in sorted(made.iterdir(), key=lambda path: path.name == METADATA_FILE):
        file.replace(folder / file.name)
