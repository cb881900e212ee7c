# SPDX-License-Identifier: Apache-2.0
"""Output folders are never overwritten unasked, and a disk's refusal is one sentence."""

import errno
import os
import re
import sqlite3
from pathlib import Path

import pytest

from segrgbx_core.errors import OutputError
from segrgbx_core.files.disk import (
    DiskFullError,
    claim_output,
    disk_errors,
    make_folder,
    need_no_inputs,
    no_empty_folders,
    replacing,
    write_whole,
)


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


def test_a_part_file_is_new_and_never_a_link(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever name is tried, a link of that name is not written through."""
    monkeypatch.setattr("secrets.token_hex", lambda _: "known")
    (tmp_path / "victim").write_bytes(b"mine")
    (tmp_path / ".known.part").symlink_to(tmp_path / "victim")
    with pytest.raises(OutputError, match="a part of the path is a file"):
        write_whole(tmp_path / "f", b"new")
    assert (tmp_path / "victim").read_bytes() == b"mine"


def test_part_files_of_two_writers_differ(tmp_path: Path) -> None:
    with replacing(tmp_path / "f") as first, replacing(tmp_path / "f") as second:
        assert len(list(tmp_path.iterdir())) == 2
        first.write(b"first")
        second.write(b"second")
    assert (tmp_path / "f").read_bytes() == b"first"
    assert len(list(tmp_path.iterdir())) == 1


def test_a_link_in_the_file_s_place_is_replaced_and_its_target_stays(tmp_path: Path) -> None:
    (tmp_path / "victim").write_bytes(b"mine")
    (tmp_path / "f").symlink_to(tmp_path / "victim")
    write_whole(tmp_path / "f", b"new")
    assert (tmp_path / "victim").read_bytes() == b"mine"
    assert not (tmp_path / "f").is_symlink()


def test_a_file_has_the_mode_that_the_umask_leaves(tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        write_whole(tmp_path / "f", b"data")
    finally:
        os.umask(before)
    assert (tmp_path / "f").stat().st_mode & 0o777 == 0o640


def test_the_longest_name_that_a_disk_takes_is_written(tmp_path: Path) -> None:
    write_whole(tmp_path / ("n" * 255), b"data")
    assert (tmp_path / ("n" * 255)).read_bytes() == b"data"


def test_a_refused_part_file_is_said_by_the_file_s_name(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match=re.escape(f"Cannot write {tmp_path / 'file' / 'f'}")):
        write_whole(tmp_path / "file" / "f", b"data")


def test_folders_in_the_output_are_no_links(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "worst").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(OutputError, match="worst is a link to another place"):
        make_folder(tmp_path / "worst")


@pytest.mark.parametrize("kind", ["itself", "link", "hard link", "inside a folder"])
def test_what_is_read_is_not_replaced(tmp_path: Path, kind: str) -> None:
    source, target = tmp_path / "in" / "a.png", tmp_path / "out.png"
    source.parent.mkdir()
    source.write_bytes(b"data")
    given = source.parent if kind == "inside a folder" else source
    if kind == "link":
        target.symlink_to(source)
    elif kind == "hard link":
        target.hardlink_to(source)
    else:
        target = source
    with pytest.raises(OutputError, match=r"a\.png is an input, and .* in its place"):
        need_no_inputs([target], [given])
    need_no_inputs([tmp_path / "another.png"], [given])


def fail_after_making(folder: Path, file: str | None = None) -> None:
    with no_empty_folders(folder):
        folder.mkdir(parents=True, exist_ok=True)
        if file is not None:
            (folder / file).write_text("done")
        raise KeyError


def test_a_failure_takes_the_empty_folders_that_it_made_along(tmp_path: Path) -> None:
    (tmp_path / "old").mkdir()
    for made in (tmp_path / "old" / "a" / "b", tmp_path / "new" / "c", tmp_path / "old"):
        with pytest.raises(KeyError):
            fail_after_making(made)
    assert [p.name for p in tmp_path.rglob("*")] == ["old"]
    with pytest.raises(KeyError):
        fail_after_making(tmp_path / "new", "kept")
    assert (tmp_path / "new" / "kept").read_text() == "done"
