# SPDX-License-Identifier: Apache-2.0
"""Reads tensors from another project's checkpoint file without running code from it."""

import io
import pickle
import pickletools
import zipfile
from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import Tensor

from segrgbx_core.errors import ModelError, SegRgbxError, guarded
from segrgbx_core.files.disk import refuse_pointer_file

_NESTED = 10
# Of the old format, before its storages: magic number, version, system, content.
_PICKLES = 4
WRAPPERS = ("state_dict", "model", "model_state_dict")


def read_checkpoint(path: Path) -> dict[str, Tensor]:
    """The named tensors of a `.safetensors` file or one written by `torch.save`, on the CPU.

    They may also lie under one of WRAPPERS, beside an optimiser's state.
    Raises ModelError for a file that is missing, unreadable, holds Python objects other than
    tensors and plain values, or holds no named tensors.
    """
    if not path.is_file():
        what = "is a folder; give the file in it" if path.is_dir() else "does not exist"
        raise ModelError(f"Checkpoint {path} {what}; expected a .safetensors, .pth or .bin file.")
    refuse_pointer_file(path, ModelError)
    content = _safetensors(path) if path.suffix == ".safetensors" else _pickled(path)
    tensors = _named_tensors(content)
    if tensors is None:
        raise ModelError(
            f"Checkpoint {path} holds no mapping of names to tensors, at its top or under "
            f"{', '.join(WRAPPERS)}; save the model's state_dict() alone."
        )
    return tensors


def _safetensors(path: Path) -> object:
    refusal = f"Checkpoint {path} is not a safetensors file ({{}}); download it again."
    with guarded(str(path), ModelError, refusal):
        return load_file(path)


def _pickled(path: Path) -> object:
    refusal = f"Checkpoint {path} cannot be read by torch ({{}}); download it again."
    try:
        return torch_content(path, ModelError, refusal)
    except ModelError as err:
        if not isinstance(err.__cause__, pickle.UnpicklingError):
            raise
        raise ModelError(
            f"Checkpoint {path} is damaged, or holds Python objects besides tensors, which can "
            "run code as they load; if you trust it, load it in Python and save its "
            "state_dict() alone."
        ) from err


def torch_content(
    path: Path, error: type[SegRgbxError], refusal: str, sums: bool = False
) -> object:
    """What `torch.save` wrote to the file: tensors on the CPU, plain values, and no code.

    refusal: for `guarded`. sums: hold the entries to their checksums, which torch writes unless
    told otherwise, and never reads.
    Raises `error` for a file that cannot be read, a Git LFS pointer, and an archive or a tensor
    that states more than the file holds.
    """
    refuse_pointer_file(path, error)
    with guarded(str(path), error, refusal):
        source: Path | io.BytesIO = path
        if _is_archive(path):
            _check_archive(path, sums)
        else:
            source = _old_format(path)
        content: object = torch.load(source, map_location="cpu", weights_only=True)
        _check_tensors(content)
    return content


def _is_archive(path: Path) -> bool:
    """By the first bytes, as torch decides; `zipfile` looks at the last ones."""
    with path.open("rb") as file:
        return file.read(4) == b"PK\3\4"


def _check_archive(path: Path, sums: bool) -> None:
    """torch stores without compression, so that more than the file's size is damage."""
    with zipfile.ZipFile(path) as archive:
        stated = sum(entry.file_size for entry in archive.infolist())
        if stated > path.stat().st_size:
            raise ValueError(f"its entries state {stated} bytes")
        damaged = archive.testzip() if sums else None
    if damaged is not None:
        raise ValueError(f"{damaged} in it differs from its checksum")


def _old_format(path: Path) -> io.BytesIO:
    """A file of torch before 1.6, which takes memory for the storages that its pickles name.

    Each is named by (kind, type, key, place, elements, view), just before a BINPERSID. In memory,
    because a read of a file takes memory for as many bytes as are asked for.
    """
    file = io.BytesIO(path.read_bytes())
    for _ in range(_PICKLES):
        number = 0
        for code, value, _at in pickletools.genops(file):
            number = value if isinstance(value, int) and "INT" in code.name else number
            if code.name == "BINPERSID" and number > path.stat().st_size:
                raise ValueError(f"a storage states {number} elements")
    file.seek(0)
    return file


def _check_tensors(content: object, depth: int = 0) -> None:
    """A tensor that repeats its storage (stride 0) takes memory when it is copied."""
    if isinstance(content, Tensor):
        if content.numel() * content.element_size() > content.untyped_storage().nbytes():
            raise ValueError(f"a tensor states shape {tuple(content.shape)}")
    elif depth < _NESTED and isinstance(content, Mapping | list | tuple):
        for each in content.values() if isinstance(content, Mapping) else content:
            _check_tensors(each, depth + 1)


def _named_tensors(content: object) -> dict[str, Tensor] | None:
    if not isinstance(content, Mapping):
        return None
    tensors = {
        name: value
        for name, value in content.items()
        if isinstance(name, str) and isinstance(value, Tensor)
    }
    if tensors and len(tensors) == len(content):
        return tensors
    inner = [_named_tensors(content[name]) for name in WRAPPERS if name in content]
    return next((each for each in inner if each), None)
