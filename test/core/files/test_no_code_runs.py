# SPDX-License-Identifier: Apache-2.0
"""No file that is read can run code: pickled objects and YAML tags are refused, not obeyed."""

import io
import pickle
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from segrgbx_core.errors import ModelError, RecipeError, SegRgbxError
from segrgbx_core.files.events import read_events
from segrgbx_core.files.images import read_pixels
from segrgbx_core.files.yaml import read_yaml
from segrgbx_core.training.state import _read
from segrgbx_core.weights.card import CARD_FILE, WEIGHTS_FILE
from segrgbx_core.weights.checkpoint_file import read_checkpoint
from segrgbx_core.weights.store import load_model


class Charge:
    """Touches a file when it is unpickled."""

    def __init__(self, mark: Path) -> None:
        self._mark = mark

    def __reduce__(self) -> tuple[Callable[..., object], tuple[object, ...]]:
        return Path.touch, (self._mark,)


def _npy(path: Path, charge: Charge) -> None:
    np.save(path, np.array([charge], object), allow_pickle=True)


def _npz(path: Path, charge: Charge) -> None:
    file = io.BytesIO()
    np.savez(file, **dict.fromkeys(("t", "x", "y", "p"), np.array([charge], object)))
    path.write_bytes(file.getvalue())


def _torch(path: Path, charge: Charge) -> None:
    torch.save({"model": charge, "state_dict": charge}, path)


def _old_torch(path: Path, charge: Charge) -> None:
    torch.save({"model": charge}, path, _use_new_zipfile_serialization=False)


def _pickled(path: Path, charge: Charge) -> None:
    path.write_bytes(pickle.dumps(charge))


@pytest.mark.parametrize(
    ("name", "write", "read"),
    [
        ("x.npy", _npy, read_pixels),
        ("x.npy", _pickled, read_pixels),
        ("events.npz", _npz, read_events),
        ("events.npz", _pickled, read_events),
        *(("w.pth", write, read_checkpoint) for write in (_torch, _old_torch, _pickled)),
    ],
)
def test_a_charged_file_is_refused(
    name: str,
    write: Callable[[Path, Charge], None],
    read: Callable[[Path], object],
    tmp_path: Path,
) -> None:
    mark = tmp_path / "mark"
    write(tmp_path / name, Charge(mark))
    with pytest.raises(SegRgbxError, match=name):
        read(tmp_path / name)
    assert not mark.exists()


@pytest.mark.parametrize("write", [_torch, _old_torch, _pickled])
def test_a_charged_checkpoint_is_refused(
    write: Callable[[Path, Charge], None], tmp_path: Path
) -> None:
    write(tmp_path / "checkpoint.pt", Charge(tmp_path / "mark"))
    with pytest.raises(RecipeError, match=r"checkpoint\.pt"):
        _read(tmp_path / "checkpoint.pt")
    assert not (tmp_path / "mark").exists()


def test_a_charged_model_is_refused(tmp_path: Path, repository: Path) -> None:
    card = repository / "models" / "demo" / CARD_FILE
    (tmp_path / CARD_FILE).write_bytes(card.read_bytes())
    _pickled(tmp_path / WEIGHTS_FILE, Charge(tmp_path / "mark"))
    with pytest.raises(ModelError):
        load_model(tmp_path)
    assert not (tmp_path / "mark").exists()


def test_a_yaml_tag_is_not_obeyed(tmp_path: Path) -> None:
    mark = tmp_path / "mark"
    (tmp_path / "f.yaml").write_text(f"a: !!python/object/apply:os.mkdir ['{mark}']\n")
    with pytest.raises(SegRgbxError, match=r"f\.yaml"):
        read_yaml(tmp_path / "f.yaml", SegRgbxError)
    assert not mark.exists()
