# SPDX-License-Identifier: Apache-2.0
"""The folder format, written by the scenes and read back."""

import multiprocessing
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from segrgbx_core.datasets import FolderDataset, render_stills, write_dataset
from segrgbx_core.errors import InputError, LabelError, SegRgbxError
from segrgbx_core.files.images import write_png
from segrgbx_core.readings import Events, LightFieldViews, Reading
from segrgbx_core.scenes import Drive, DriveSettings

SMALL = DriveSettings(
    seconds=0.6, rate_hz=5.0, width=64, height=48, seed=1, conditions=("day", "night")
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_dataset(Drive(SMALL), tmp_path / "drive")
    return tmp_path / "drive"


def test_what_was_written_is_read_back(folder: Path) -> None:
    data, drive = FolderDataset(folder), Drive(SMALL)
    assert len(data) == 3
    assert data.modality == "thermal"
    first, expected = data[0], drive.rgb_at(drive.rgb_times[0])
    assert np.array_equal(first.rgb, expected.image)
    assert np.array_equal(first.labels, expected.labels)
    assert isinstance(first.x, np.ndarray)
    assert np.array_equal(first.x, drive.x_at(drive.rgb_times[0]).reading)
    assert first.x.dtype == np.uint16
    assert [data[i].condition for i in range(3)] == ["day", "day", "night"]


def equal(a: Reading, b: Reading) -> bool:
    if isinstance(a, Events) and isinstance(b, Events):
        names = ("x", "y", "polarity", "t_ns", "width", "height", "start_ns", "end_ns")
        return all(np.array_equal(getattr(a, n), getattr(b, n)) for n in names)
    if isinstance(a, LightFieldViews) and isinstance(b, LightFieldViews):
        names = ("views", "rows", "columns")
        return all(np.array_equal(getattr(a, n), getattr(b, n)) for n in names)
    assert isinstance(a, np.ndarray)
    assert isinstance(b, np.ndarray)
    return a.dtype == b.dtype and np.array_equal(a, b)


@pytest.mark.parametrize("modality", ["event", "depth", "polarization", "light_field"])
def test_every_sensor_is_read_back_as_it_was(tmp_path: Path, modality: str) -> None:
    drive = Drive(replace(SMALL, modality=modality, seconds=0.3))
    write_dataset(drive, tmp_path)
    data = FolderDataset(tmp_path)
    assert data.modality == modality
    assert equal(data[0].x, drive.x_at(drive.rgb_times[0]).reading)
    assert equal(data[1].x, drive.x_at(drive.rgb_times[1]).reading)


@pytest.mark.parametrize("modality", ["event", "light_field"])
def test_stills_of_every_sensor_are_kept(tmp_path: Path, modality: str) -> None:
    settings = replace(SMALL, modality=modality)
    render_stills(tmp_path, settings, 1)
    before = {p: p.stat().st_mtime_ns for p in (tmp_path / "x").iterdir()}
    render_stills(tmp_path, settings, 2)
    assert before.items() <= {p: p.stat().st_mtime_ns for p in (tmp_path / "x").iterdir()}.items()
    assert len(FolderDataset(tmp_path)) == 2


def test_a_light_field_of_folders_is_read(folder: Path) -> None:
    (folder / "dataset.yaml").write_text("modality: light_field\nlabel_set: street\n")
    for file in sorted((folder / "x").iterdir()):
        file.unlink()
        file.with_suffix("").mkdir()
        for column in (1, 2):
            write_png(file.with_suffix("") / f"1_{column}.png", np.zeros((4, 5, 3), np.uint8))
    x = FolderDataset(folder)[0].x
    assert isinstance(x, LightFieldViews)
    # Three equal channels are one.
    assert x.views.shape == (2, 4, 5)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("3", "is 3; .*mapping"),
        ("{rows: 3}", "lacks columns"),
        ("{rows: 0, columns: 3}", "0 rows and 3 columns"),
        ("[3, 3]", "a mapping"),
    ],
)
def test_a_grid_that_is_none_is_refused(folder: Path, text: str, words: str) -> None:
    manifest = folder / "dataset.yaml"
    manifest.write_text(f"modality: light_field\nlabel_set: street\nx: {text}\n")
    with pytest.raises(InputError, match=rf"dataset.yaml\.x.* {words}"):
        FolderDataset(folder)


def test_stills_are_one_street_each_and_are_kept(tmp_path: Path) -> None:
    folder = tmp_path / "stills"
    render_stills(folder, SMALL, 3)
    data = FolderDataset(folder)
    assert data.stems == ("00000001", "00000002", "00000003")
    assert {data[i].condition for i in range(3)} == {"day", "night"}
    assert (data[0].labels != data[1].labels).any()
    before = {p: p.stat().st_mtime_ns for p in (folder / "rgb").iterdir()}
    render_stills(folder, SMALL, 4)
    after = {p: p.stat().st_mtime_ns for p in (folder / "rgb").iterdir()}
    assert before.items() <= after.items()
    assert len(after) == 4


def test_stills_of_two_settings_do_not_mix(tmp_path: Path) -> None:
    render_stills(tmp_path, SMALL, 1)
    with pytest.raises(InputError, match=r"other settings .*stills.yaml"):
        render_stills(tmp_path, replace(SMALL, width=128, height=96), 1)


def test_stills_of_an_earlier_look_do_not_mix_with_todays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as before:
        before.setattr("segrgbx_core.datasets.scenes.SCENES_VERSION", 1)
        render_stills(tmp_path, SMALL, 1)
    with pytest.raises(InputError, match=r"earlier version .*stills.yaml"):
        render_stills(tmp_path, SMALL, 1)


def test_a_killed_process_is_said_and_what_was_rendered_stays(tmp_path: Path) -> None:
    def kill() -> None:
        for process in multiprocessing.active_children():
            process.kill()

    with pytest.raises(SegRgbxError, match=r"64x48 into .* was killed"):
        render_stills(tmp_path, DriveSettings(width=64, height=48), 40, kill)
    there = sorted((tmp_path / "rgb").iterdir())
    assert 0 < len(there) < 40
    before = [path.stat().st_mtime_ns for path in there]
    render_stills(tmp_path, DriveSettings(width=64, height=48), len(there))
    assert [path.stat().st_mtime_ns for path in there] == before


def test_memory_that_runs_out_in_rendering_is_said(tmp_path: Path) -> None:
    def run_out() -> None:
        raise MemoryError

    with pytest.raises(SegRgbxError, match=r"^Memory ran out .*64x48 into "):
        render_stills(tmp_path, DriveSettings(width=64, height=48), 2, run_out)


def test_a_missing_partner_is_named(folder: Path) -> None:
    (folder / "x" / "000001.png").unlink()
    with pytest.raises(InputError, match=r"000001.png has no partner .*x;"):
        FolderDataset(folder)


def test_a_folder_without_manifest_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no dataset.yaml"):
        FolderDataset(tmp_path)


def test_labels_out_of_range_name_file_and_value(folder: Path) -> None:
    write_png(folder / "labels" / "000000.png", np.full((48, 64), 77, np.uint8))
    with pytest.raises(LabelError, match=r"000000.png has label 77; .*'street' has 0 to 10"):
        FolderDataset(folder)[0]


def test_labels_of_another_size_are_refused(folder: Path) -> None:
    write_png(folder / "labels" / "000000.png", np.zeros((24, 32), np.uint8))
    with pytest.raises(InputError, match=r"is 32x24 .*image 64x48"):
        FolderDataset(folder)[0]


@pytest.mark.slow
def test_an_interrupted_rendering_does_not_render_the_rest(tmp_path: Path) -> None:
    def interrupted() -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        render_stills(tmp_path, DriveSettings(width=64, height=48), 400, interrupted)
    assert len(list((tmp_path / "rgb").iterdir())) < 100
