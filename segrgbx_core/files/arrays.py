# SPDX-License-Identifier: Apache-2.0
"""Reads `.npy` and `.npz` data: plain values, held to the bytes that are there."""

import io
import math
import zipfile
from collections.abc import Collection
from typing import Any

import numpy as np
import numpy.typing as npt

from segrgbx_core.bounds import MOST_UNPACKED
from segrgbx_core.errors import SegRgbxError, guarded

Array = npt.NDArray[Any]


def array_from(data: bytes, what: str, error: type[SegRgbxError]) -> Array:
    """The array of a `.npy` file's bytes. what: the file, in an error.

    Raises `error` for data that are not one whole array of plain values.
    """
    sentence = (
        f"{what} is not a whole .npy file of numbers ({{}}); save the array again with numpy.save."
    )
    if data.startswith(b"PK"):
        raise error(f"{what} is an archive of arrays; save one array with numpy.save.")
    with guarded(what, error, sentence):
        return _array(data)


def arrays_from(
    data: bytes, wanted: Collection[str], what: str, error: type[SegRgbxError]
) -> dict[str, Array]:
    """Those of the wanted arrays that a `.npz` archive's bytes hold; others are not unpacked.

    A single array has no names, and gives none.
    Raises `error` for data that are no archive of arrays of plain values, and for one that
    unpacks to more than 512 MiB.
    """
    if data.startswith(np.lib.format.MAGIC_PREFIX):
        return {}
    sentence = (
        f"{what} is not a whole .npz archive of arrays, the format of events ({{}}); save it "
        "again with numpy.savez."
    )
    with guarded(what, error, sentence), zipfile.ZipFile(io.BytesIO(data)) as archive:
        entries = {
            entry.filename.removesuffix(".npy"): entry
            for entry in archive.infolist()
            if entry.filename.removesuffix(".npy") in wanted
        }
        size = sum(entry.file_size for entry in entries.values())
        if size > MOST_UNPACKED:
            raise error(
                f"{what} unpacks to {size} bytes; expected at most {MOST_UNPACKED}: store fewer "
                "events a file."
            )
        return {name: _array(archive.read(entry)) for name, entry in entries.items()}


def names_in(data: bytes) -> tuple[str, ...]:
    """The names of all arrays in a `.npz` archive's bytes; none of what is no archive."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            return tuple(sorted(name.removesuffix(".npy") for name in archive.namelist()))
    except zipfile.BadZipFile:
        return ()


def _array(data: bytes) -> Array:
    """numpy.load, after a look at the header: it takes memory for what that states."""
    file = io.BytesIO(data)
    version = np.lib.format.read_magic(file)
    read = {(1, 0): np.lib.format.read_array_header_1_0}.get(
        version, np.lib.format.read_array_header_2_0
    )
    shape, _, dtype = read(file)
    if dtype.hasobject or not dtype.itemsize:
        raise ValueError(f"it holds values of type {dtype}")
    stated = math.prod(shape) * dtype.itemsize
    if min(shape, default=0) < 0 or stated != len(data) - file.tell():
        raise ValueError(f"it states shape {shape} and holds {len(data) - file.tell()} bytes")
    array: Array = np.load(io.BytesIO(data), allow_pickle=False)
    return array
