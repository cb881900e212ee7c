# SPDX-License-Identifier: Apache-2.0
"""Pair image files: given as two files, or found in two folders by equal stem."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from segrgbx_core.encoding import encoding_of
from segrgbx_core.errors import InputError
from segrgbx_core.files.images import IMAGE_SUFFIXES, READING_SUFFIXES

NAMES_SHOWN = 5


@dataclass(frozen=True)
class FilePair:
    """rgb: the image. x: its reading or None. both: rgb is a 4-channel file that contains X."""

    stem: str
    rgb: Path
    x: Path | None = None
    both: bool = False


@dataclass(frozen=True)
class FoundPairs:
    """pairs: in the order of their stems. several: they are from folders. remarks: sentences."""

    pairs: tuple[FilePair, ...]
    several: bool
    remarks: tuple[str, ...] = ()


def find_pairs(
    rgb: Path | None, x: Path | None, rgbx: Path | None, modality: str | None = None
) -> FoundPairs:
    """The pairs that the command's arguments --rgb, --x and --rgbx name.

    modality: determines the file endings of X, and whether a folder can be one reading.
    Raises InputError if the arguments contradict each other, a path does not exist, a folder has
    no image or two with the same stem, or no stem is in both folders.
    """
    if rgb is not None and rgbx is None:
        return _alone(rgb, both=False) if x is None else _together(rgb, x, modality)
    if rgb is not None or rgbx is None:
        raise InputError("Give the images either as --rgb (with or without --x) or as --rgbx.")
    if x is not None:
        raise InputError("--rgbx holds the X reading already; leave --x out.")
    return _alone(rgbx, both=True)


def _alone(path: Path, both: bool) -> FoundPairs:
    _need(path)
    if path.is_dir():
        images = _by_stem(path, IMAGE_SUFFIXES)
        return FoundPairs(
            tuple(FilePair(s, p, None, both) for s, p in images.items()), several=True
        )
    return FoundPairs((FilePair(path.stem, path, None, both),), several=False)


def _together(rgb: Path, x: Path, modality: str | None) -> FoundPairs:
    _need(rgb)
    _need(x)
    in_folders = modality is not None and encoding_of(modality).in_folders
    one_reading = x.is_dir() and not rgb.is_dir() and in_folders
    if rgb.is_dir() != x.is_dir() and not one_reading:
        folder, file = (rgb, x) if rgb.is_dir() else (x, rgb)
        raise InputError(f"{folder} is a folder and {file} a file; give two files or two folders.")
    if not rgb.is_dir():
        return FoundPairs((FilePair(rgb.stem, rgb, x),), several=False)
    suffixes = READING_SUFFIXES if modality is None else encoding_of(modality).suffixes
    images = _by_stem(rgb, IMAGE_SUFFIXES)
    readings = _by_stem(x, suffixes, folders=in_folders)
    pairs = tuple(FilePair(s, p, readings[s]) for s, p in images.items() if s in readings)
    if not pairs:
        raise InputError(
            f"No file of {rgb} has the stem of a file of {x} (say {next(iter(images))} and "
            f"{next(iter(readings))}); pairs need equal names up to the ending."
        )
    lonely = (
        _unmatched(rgb, [s for s in images if s not in readings]),
        _unmatched(x, [s for s in readings if s not in images]),
    )
    return FoundPairs(pairs, several=True, remarks=tuple(s for s in lonely if s))


def _need(path: Path) -> None:
    if not path.exists():
        raise InputError(f"{path} does not exist; check the path.")


def _by_stem(folder: Path, suffixes: tuple[str, ...], folders: bool = False) -> Mapping[str, Path]:
    """Files by stem; with folders=True, folders by name too."""
    files = sorted(p for p in folder.iterdir() if p.is_file() and p.suffix.lower() in suffixes)
    if folders:
        files += sorted(p for p in folder.iterdir() if p.is_dir())
    if not files:
        what = "image" if suffixes[0] in IMAGE_SUFFIXES else "reading"
        raise InputError(
            f"{folder} holds no {what}; expected files ending {', '.join(suffixes)}"
            f"{', or folders of images' if folders else ''}."
        )
    by_stem: dict[str, Path] = {}
    for file in files:
        if file.stem in by_stem:
            raise InputError(
                f"{folder} holds both {by_stem[file.stem].name} and {file.name}; stems must "
                "differ, since results are named by them."
            )
        by_stem[file.stem] = file
    return by_stem


def _unmatched(folder: Path, stems: list[str]) -> str:
    """A sentence that names the unmatched files; empty if there are none."""
    if not stems:
        return ""
    shown = ", ".join(stems[:NAMES_SHOWN])
    more = f" and {len(stems) - NAMES_SHOWN} more" if len(stems) > NAMES_SHOWN else ""
    return f"{len(stems)} unmatched in {folder} (left out): {shown}{more}"
