# SPDX-License-Identifier: Apache-2.0
"""What all datasets share: options, folders as datasets, and skipping what cannot be read."""

from pathlib import Path

import numpy as np
import pytest

from segrgbx_core.datasets import (
    DATASETS,
    DatasetOptions,
    FolderDataset,
    LabelledPairs,
    Skipping,
    encoded,
    open_dataset,
    splits_in,
    write_dataset,
)
from segrgbx_core.encoding import encode
from segrgbx_core.errors import InputError
from segrgbx_core.files.images import write_png
from segrgbx_core.scenes import Drive, DriveSettings

SMALL = DriveSettings(seconds=1.0, rate_hz=5.0, width=64, height=48, seed=1, conditions=("day",))


def test_a_recording_is_no_dataset(tmp_path: Path) -> None:
    """Nor is the dataset beside it what was meant."""
    folder(tmp_path / "data")
    bag = tmp_path / "bag"
    bag.mkdir()
    (bag / "metadata.yaml").write_text("")
    (bag / "bag_0.mcap").write_bytes(b"")
    for root in (bag, bag / "bag_0.mcap"):
        with pytest.raises(InputError, match=r"is a recording, .*segrgbx inspect") as caught:
            splits_in("folder", root)
        assert "data," not in str(caught.value)


def folder(root: Path, count: int = 5, conditions: str = "") -> Path:
    """Frames whose every value is their number."""
    for kind in ("rgb", "x", "labels"):
        (root / kind).mkdir(parents=True)
    for i in range(count):
        write_png(root / "rgb" / f"{i}.png", np.full((4, 6, 3), i, np.uint8))
        write_png(root / "x" / f"{i}.png", np.full((4, 6), 29000 + i, np.uint16))
        write_png(root / "labels" / f"{i}.png", np.full((4, 6), i, np.uint8))
    manifest = f"modality: thermal\nlabel_set: street\n{conditions}"
    (root / "dataset.yaml").write_text(manifest)
    return root


def spoil(root: Path, *numbers: int) -> None:
    for i in numbers:
        path = root / "rgb" / f"{i}.png"
        path.write_bytes(path.read_bytes()[:40])


@pytest.mark.parametrize("name", DATASETS)
def test_an_empty_folder_is_no_dataset(tmp_path: Path, name: str) -> None:
    with pytest.raises(InputError, match=r"holds nothing; expected .*/"):
        splits_in(name, tmp_path)
    with pytest.raises(InputError, match=r"gone does not exist"):
        splits_in(name, tmp_path / "gone")


def test_names_and_options_are_checked(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"'kitti' is unknown; .*deliver, "):
        open_dataset("kitti", tmp_path, "train")
    with pytest.raises(InputError, match=r"'mfnet' has no X 'hha'"):
        open_dataset("mfnet", tmp_path, "train", DatasetOptions(x="hha"))
    with pytest.raises(InputError, match=r"'mfnet' .*no use for depth_scale"):
        open_dataset("mfnet", tmp_path, "train", DatasetOptions(depth_scale=5000.0))
    with pytest.raises(InputError, match=r"depth_scale is -1; .*above 0"):
        DatasetOptions(depth_scale=-1)
    with pytest.raises(InputError, match=r"labels_from is 2; expected 0 or 1"):
        DatasetOptions(labels_from=2)


def test_a_folder_of_ones_own_opens_by_name(tmp_path: Path) -> None:
    folder(tmp_path, conditions="conditions: {'0': day, '1': night}\n")
    assert splits_in("folder", tmp_path) == ("all",)
    data = open_dataset("folder", tmp_path, "all")
    assert [place.condition for place in data.places] == ["day", "night", "", "", ""]
    sample = data[3]
    assert (sample.labels == 3).all()
    assert sample.split == "all"
    assert data.sequence(0) is None
    assert np.array_equal(encoded(data, sample).data, encode("thermal", sample.x).data)


def test_folders_side_by_side_are_splits(tmp_path: Path) -> None:
    for split, count in (("train", 3), ("val", 2)):
        folder(tmp_path / split, count)
    assert splits_in("folder", tmp_path) == ("train", "val")
    assert len(open_dataset("folder", tmp_path, "val")) == 2
    with pytest.raises(InputError, match=r"no split 'test'; .*train, val\."):
        open_dataset("folder", tmp_path, "test")


def test_a_missing_partner_may_be_left_out(tmp_path: Path) -> None:
    folder(tmp_path)
    (tmp_path / "x" / "2.png").unlink()
    data = FolderDataset(tmp_path, incomplete=True)
    assert data.stems == ("0", "1", "3", "4")
    assert [place.stem for place in data.missing] == ["2"]
    with pytest.raises(InputError, match=r"1 of 5 .*'all' lack a file, .*x/2"):
        open_dataset("folder", tmp_path, "all")


def test_a_drive_is_a_video(tmp_path: Path) -> None:
    write_dataset(Drive(SMALL), tmp_path)
    data = FolderDataset(tmp_path)
    assert {data.sequence(i) for i in range(len(data))} == {str(tmp_path)}


def test_a_bad_sample_is_replaced_by_the_next(tmp_path: Path) -> None:
    spoil(folder(tmp_path), 1, 4)
    heard: list[str] = []
    data = Skipping(FolderDataset(tmp_path), 0.4, heard.append)
    pairs: LabelledPairs = data
    assert [int(pairs[i].labels[0, 0]) for i in range(5)] == [0, 2, 2, 3, 0]
    assert [int(pairs[i].labels[0, 0]) for i in (4, 1)] == [0, 2]
    assert sorted(data.bad) == [1, 4]
    assert len(heard) == 2
    assert "1.png cannot be decoded" in heard[0]


def test_beyond_the_share_it_stops(tmp_path: Path) -> None:
    spoil(folder(tmp_path), 1, 3)
    data = Skipping(FolderDataset(tmp_path), 0.2)
    assert data[1].stem == "2"
    with pytest.raises(InputError, match=r"2 of 5 .* more than the 20.0%"):
        data[3]
    with pytest.raises(InputError, match=r"skip is 2; .*0 to 1"):
        Skipping(FolderDataset(tmp_path), 2)


def test_without_a_good_sample_it_says_so(tmp_path: Path) -> None:
    spoil(folder(tmp_path, 2), 0, 1)
    with pytest.raises(InputError, match=r"None of the 2 samples"):
        Skipping(FolderDataset(tmp_path), 1.0)[0]
