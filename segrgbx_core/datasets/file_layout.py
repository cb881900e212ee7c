# SPDX-License-Identifier: Apache-2.0
"""Finds folders, files and lists in a copy of a dataset, whatever the repack calls them."""

from pathlib import Path

from segrgbx_core.errors import InputError
from segrgbx_core.files.disk import input_bytes
from segrgbx_core.files.images import IMAGE_SUFFIXES

_SHOWN = 8


def subfolder(root: Path, *names: str) -> Path | None:
    """The folder in root with one of the names, in any case; the first name that exists."""
    if not root.is_dir():
        return None
    there = {path.name.lower(): path for path in sorted(root.iterdir()) if path.is_dir()}
    return next((there[name.lower()] for name in names if name.lower() in there), None)


def wrong_layout(root: Path, expected: str) -> InputError:
    """The error that says what is in root and what was expected."""
    if not root.exists():
        return InputError(f"{root} does not exist; check the path.")
    if not root.is_dir():
        return InputError(f"{root} is a file; expected a folder with {expected}.")
    names = sorted(p.name + "/" * p.is_dir() for p in root.iterdir())
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    met = ", ".join(names[:_SHOWN]) + more if names else "nothing"
    return InputError(f"{root} holds {met}; expected {expected}.")


class Folder:
    """The images in one folder by their stems.

    Raises InputError where two files differ only in their extension.
    """

    def __init__(self, path: Path, ending: str) -> None:
        """ending: file extension, for the path of a missing file."""
        self.path = path
        self._ending = ending
        self._files: dict[str, Path] = {}
        for file in sorted(path.iterdir()):
            if file.suffix.lower() not in IMAGE_SUFFIXES or file.name.startswith("."):
                continue
            twin = self._files.setdefault(file.stem, file)
            if twin is not file:
                raise InputError(f"{path} holds both {twin.name} and {file.name}; keep one.")

    @property
    def stems(self) -> tuple[str, ...]:
        """In order."""
        return tuple(self._files)

    def file(self, stem: str) -> Path:
        """The image of that stem, or the path where it would be."""
        return self._files.get(stem, self.path / f"{stem}{self._ending}")


def listed(path: Path, images: Folder) -> tuple[str, ...]:
    """The names in a list file, one per line; paths lose their folder and extension.

    A line with spaces is one name if there is such an image; otherwise only its first word is
    used. Raises InputError for a file that is not text.
    """
    try:
        lines = input_bytes(path, "a list of names").decode("utf-8-sig").splitlines()
    except UnicodeDecodeError as err:
        raise InputError(f"{path} is not text; expected one name per line.") from err
    known = set(images.stems)
    whole = [(_bare(line), _bare(line.split()[0])) for line in lines if line.strip()]
    return tuple(name if name in known else first for name, first in whole)


def _bare(name: str) -> str:
    path = Path(name.strip())
    return path.stem if path.suffix.lower() in IMAGE_SUFFIXES else path.name


def need_split(root: Path, split: str, there: tuple[str, ...]) -> None:
    """Raises InputError that names the existing splits."""
    if split not in there:
        raise InputError(
            f"{root} has no split '{split}'; it has {', '.join(there) if there else 'none'}."
        )
