# SPDX-License-Identifier: Apache-2.0
"""Output folders are never overwritten unasked, and a disk's refusal is one sentence."""

import errno
import os
import re
import sqlite3
from pathlib import Path

import pytest

from segrgbx_core.errors import OutputError
from segrgbx_core.files.disk import DiskFullError, claim_output, disk_errors, write_whole


def test_a_new_folder_is_made_with_its_parents(tmp_path: Path) -> None:
    claim_output(tmp_path / "a" / "b", force=False)
    assert (tmp_path / "a" / "b").is_dir()


def test_an_empty_folder_is_taken(tmp_path: Path) -> None:
    claim_output(tmp_path, force=False)
    assert list(tmp_path.iterdir()) == []


def test_foreign_files_stop_it(tmp_path: Path) -> None:
    for name in ("a", "b", "c", "d"):
        (tmp_path / name).write_text("mine")
    where = re.escape(str(tmp_path))
    with pytest.raises(OutputError, match=rf"^{where} .*\(a, b, c and 1 more\); .*--force"):
        claim_output(tmp_path, force=False)


def test_force_leaves_foreign_files_alone(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("mine")
    claim_output(tmp_path, force=True)
    assert (tmp_path / "mine.txt").read_text() == "mine"


def test_a_file_in_the_way(tmp_path: Path) -> None:
    (tmp_path / "out").write_text("")
    with pytest.raises(OutputError, match=r"out is a file"):
        claim_output(tmp_path / "out", force=True)


def test_a_file_among_the_parents(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="part of the path"):
        claim_output(tmp_path / "file" / "out", force=False)


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT])
def test_a_full_disk_is_said(tmp_path: Path, code: int) -> None:
    words = f"{re.escape(str(tmp_path))} is full, .*incomplete"
    with pytest.raises(DiskFullError, match=words), disk_errors(tmp_path):
        raise OSError(code, os.strerror(code))


def test_a_full_disk_under_sqlite_is_said(tmp_path: Path) -> None:
    with pytest.raises(DiskFullError, match="is full"), disk_errors(tmp_path):
        raise sqlite3.OperationalError("database or disk is full")


@pytest.mark.parametrize(
    ("code", "words"),
    [(errno.EACCES, "permission is denied"), (errno.EROFS, "is read-only")],
)
def test_a_refusal_names_the_file(tmp_path: Path, code: int, words: str) -> None:
    place = str(tmp_path / "mask.png")
    message = f"{re.escape(place)}: .*{words}"
    with pytest.raises(OutputError, match=message), disk_errors(tmp_path):
        raise OSError(code, os.strerror(code), place)


@pytest.mark.parametrize("defect", [FileNotFoundError(errno.ENOENT, "x"), KeyError("x")])
def test_other_errors_pass_unchanged(tmp_path: Path, defect: Exception) -> None:
    with pytest.raises(type(defect)), disk_errors(tmp_path):
        raise defect


def test_write_whole_replaces_and_leaves_nothing_else(tmp_path: Path) -> None:
    write_whole(tmp_path / "f", b"old")
    write_whole(tmp_path / "f", b"new")
    assert (tmp_path / "f").read_bytes() == b"new"
    assert [p.name for p in tmp_path.iterdir()] == ["f"]


def test_a_failed_write_keeps_the_old_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_whole(tmp_path / "f", b"old")

    def refuse(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "replace", refuse)
    with pytest.raises(DiskFullError):
        write_whole(tmp_path / "f", b"new")
    assert (tmp_path / "f").read_bytes() == b"old"
    assert [p.name for p in tmp_path.iterdir()] == ["f"]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full on this system")
def test_a_truly_full_device_is_said() -> None:
    device = Path("/dev/full")
    with pytest.raises(DiskFullError), disk_errors(device):
        device.write_bytes(b"data")
