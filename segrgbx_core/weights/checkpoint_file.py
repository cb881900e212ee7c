# SPDX-License-Identifier: Apache-2.0
"""Reads tensors from another project's checkpoint file without running code from it."""

import pickle
from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from segrgbx_core.errors import ModelError

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
    content = _safetensors(path) if path.suffix == ".safetensors" else _pickled(path)
    tensors = _named_tensors(content)
    if tensors is None:
        raise ModelError(
            f"Checkpoint {path} holds no mapping of names to tensors, at its top or under "
            f"{', '.join(WRAPPERS)}; save the model's state_dict() alone."
        )
    return tensors


def _safetensors(path: Path) -> object:
    try:
        return load_file(path)
    except (SafetensorError, OSError) as err:
        raise ModelError(
            f"Checkpoint {path} is not a safetensors file ({err}); download it again."
        ) from err


def _pickled(path: Path) -> object:
    try:
        content: object = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as err:
        raise ModelError(
            f"Checkpoint {path} is damaged, or holds Python objects besides tensors, which can "
            "run code as they load; if you trust it, load it in Python and save its "
            "state_dict() alone."
        ) from err
    except (
        RuntimeError, EOFError, OSError, LookupError, ValueError, TypeError, AttributeError
    ) as err:  # fmt: skip
        raise ModelError(
            f"Checkpoint {path} cannot be read by torch ({type(err).__name__}); download it again."
        ) from err
    return content


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
