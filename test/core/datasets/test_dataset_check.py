# SPDX-License-Identifier: Apache-2.0
"""The walk through a copy: counts, what is missing or odd, and the contact sheet."""

import re
from pathlib import Path

import cv2
import numpy as np
import pytest

from segrgbx_core.datasets import FolderDataset, open_dataset
from segrgbx_core.datasets.check import (
    ABSENT,
    BLANK,
    MASKS,
    NOT_HERE,
    OTHERS,
    SHARED,
    STRANGE,
    UNLISTED,
    UNUSABLE,
    check_dataset,
    splits_for_check,
)
from segrgbx_core.datasets.findings import DatasetCheck
from segrgbx_core.doubts import GREY_RGB, ONE_X, SWAPPED_X
from segrgbx_core.errors import InputError
from segrgbx_core.files.images import write_png
from segrgbx_core.pictures.contact_sheet import contact_sheet, spread

RNG = np.random.default_rng(5)
NAMES = {"train": ("1D", "2N", "3D", "4N"), "val": ("5D", "6N"), "test": ("7D", "8N")}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """MFNet's layout; labels are one pixel in four car (1), the rest unlabeled (0)."""
    for kind in ("images", "labels"):
        (tmp_path / kind).mkdir()
    for split, names in NAMES.items():
        (tmp_path / f"{split}.txt").write_text("\n".join(names))
        for name in names:
            image = RNG.integers(0, 256, (8, 12, 4)).astype(np.uint8)
            cv2.imwrite(str(tmp_path / "images" / f"{name}.png"), image)
            labels = np.zeros((8, 12), np.uint8)
            labels[:2] = 1
            write_png(tmp_path / "labels" / f"{name}.png", labels)
    return tmp_path


def checked(root: Path, split: str | None = None, most_bad: float = 0.5) -> DatasetCheck:
    return check_dataset("mfnet", root, splits_for_check("mfnet", root, split), most_bad=most_bad)


def problem_counts(report: DatasetCheck) -> dict[str, int]:
    return {finding.what: finding.count for finding in report.problems}


def test_a_whole_copy_is_counted(root: Path) -> None:
    report = checked(root)
    assert report.clean
    assert [(s.name, s.samples, s.published) for s in report.splits] == [
        ("train", 4, 784),
        ("val", 2, 392),
        ("test", 2, 393),
    ]
    assert report.splits[0].conditions == {"day": 2, "night": 2}
    assert report.sizes == {"12x8": 8}
    shares = {c.name: (c.share, c.samples) for c in report.classes}
    assert shares["car"] == (0.25, 8)
    assert shares["unlabeled"] == (0.75, 8)
    assert shares["bump"] == (0.0, 0)
    notes = {note.what: note.count for note in report.notes}
    assert notes == {ABSENT: 7, OTHERS: 3}


def test_one_split_is_walked_alone(root: Path) -> None:
    report = checked(root, "val")
    assert [split.name for split in report.splits] == ["val"]
    assert not [note for note in report.notes if note.what == UNLISTED]


def test_every_kind_of_fault_is_told_once(root: Path) -> None:
    (root / "images" / "1D.png").unlink()
    cut = root / "images" / "2N.png"
    cut.write_bytes(cut.read_bytes()[:60])
    write_png(root / "labels" / "3D.png", np.full((8, 12), 9, np.uint8))
    write_png(root / "labels" / "4N.png", np.zeros((4, 6), np.uint8))
    write_png(root / "labels" / "5D.png", np.full((8, 12), 255, np.uint8))
    flat = cv2.imread(str(root / "images" / "6N.png"), cv2.IMREAD_UNCHANGED)
    flat[..., 3] = 40
    cv2.imwrite(str(root / "images" / "6N.png"), flat)
    (root / "test.txt").write_text("7D\n8N\n6N\n")
    cv2.imwrite(str(root / "images" / "9D.png"), flat)
    seen = []
    splits = splits_for_check("mfnet", root, None)
    report = check_dataset("mfnet", root, splits, most_bad=1.0, on_sample=lambda: seen.append(1))
    assert not report.clean
    assert len(seen) == 8
    assert problem_counts(report) == {
        "samples of train that lack a file": 1,
        UNUSABLE: 2,
        STRANGE: 1,
        BLANK: 1,
        f"samples with {ONE_X}": 2,
        SHARED: 1,
    }
    examples = "\n".join(text for finding in report.problems for text in finding.examples)
    for key in (
        r"2N.png cannot be decoded",
        r"3D.png .*values 9 in 96",
        r"4N.png is 6x4 .*4N.png 12x8",
        r"6N .*val and test",
        r"6N.png: The thermal images are 40 everywhere: check that the lens",
    ):
        assert re.search(key, examples), key
    assert report.splits[0].samples + report.splits[0].bad + report.splits[0].missing == 4
    unlisted = [note for note in report.notes if note.what == UNLISTED]
    assert unlisted[0].examples == (str(root / "images" / "9D.png"),)
    # One of the five that can be used: 5D, 6N twice, 7D and 8N.
    assert report.unlabelled == pytest.approx(1 / 5)


def test_examples_are_few_and_the_count_is_whole(root: Path) -> None:
    for path in (root / "labels").iterdir():
        path.unlink()
    splits = splits_for_check("mfnet", root, None)
    report = check_dataset("mfnet", root, splits)
    assert problem_counts(report) == {
        "samples of train that lack a file": 4,
        "samples of val that lack a file": 2,
        "samples of test that lack a file": 2,
    }
    assert report.splits[0].samples == 0
    assert contact_sheet(splits, 3) is None


def test_labels_of_another_set_stop_the_walk(root: Path) -> None:
    for path in (root / "labels").iterdir():
        write_png(path, np.full((8, 12), 23, np.uint8))
    report = checked(root, most_bad=0.2)
    assert report.stopped is not None
    assert re.search(r"^2 of the first 2 .*20%.*label set 'mfnet'$", report.stopped)
    assert not report.clean


def test_damaged_files_stop_the_walk_without_a_word_on_labels(root: Path) -> None:
    for path in (root / "images").iterdir():
        path.write_bytes(path.read_bytes()[:60])
    report = checked(root, most_bad=0.2)
    assert report.stopped is not None
    assert report.stopped.endswith("not read")


def test_empty_lists_are_no_copy(root: Path) -> None:
    for split in NAMES:
        (root / f"{split}.txt").write_bytes(b"\n")
    with pytest.raises(InputError, match=r"no sample of train, val, test; .*images/"):
        splits_for_check("mfnet", root, None)


def test_folders_of_several_sensors_are_looked_at_one_by_one(tmp_path: Path) -> None:
    for modality in ("thermal", "depth"):
        for kind in ("rgb", "x", "labels"):
            (tmp_path / modality / kind).mkdir(parents=True)
            shape = (4, 6, 3) if kind == "rgb" else (4, 6)
            x = kind == "x"
            stored = np.full(shape, 3000 if x else 3, np.uint16 if x else np.uint8)
            write_png(tmp_path / modality / kind / "1.png", stored)
        manifest = f"modality: {modality}\nlabel_set: street\n"
        (tmp_path / modality / "dataset.yaml").write_text(manifest)
    with pytest.raises(InputError, match=r"several sensors .*--split"):
        splits_for_check("folder", tmp_path, None)
    splits = splits_for_check("folder", tmp_path, "depth")
    assert check_dataset("folder", tmp_path, splits).splits[0].samples == 1


def test_the_first_samples_differ_in_split_and_condition(root: Path) -> None:
    order = [data.places[i] for data, i in spread(splits_for_check("mfnet", root, None))]
    assert len({place.stem for place in order}) == 8
    assert len({(place.split, place.condition) for place in order[:6]}) == 6


def test_the_sheet_has_a_row_a_sample(root: Path) -> None:
    cut = root / "images" / "8N.png"
    cut.write_bytes(cut.read_bytes()[:60])
    splits = splits_for_check("mfnet", root, None)
    two, all_good = contact_sheet(splits, 2), contact_sheet(splits, 99)
    assert two is not None
    assert all_good is not None
    assert two.dtype == np.uint8
    assert two.shape[1:] == (3 * 400 + 4, 3)
    # Tile of 400 x 267 under a caption of 23 rows, then a gap of 2.
    assert all_good.shape[0] - two.shape[0] == 5 * (267 + 23 + 2)


def test_the_right_folder_is_named_where_it_is_near(
    root: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    above = tmp_path_factory.mktemp("above")
    (above / "MFNet").symlink_to(root)
    for wrong, right in ((above, above / "MFNet"), (root / "images", root)):
        with pytest.raises(InputError, match=rf"expected .*: give {right}, "):
            splits_for_check("mfnet", wrong, None)
    with pytest.raises(InputError, match=rf"give {root},"):
        open_dataset("mfnet", root / "labels", "train")
    far = root / "images" / "a" / "b"
    far.mkdir(parents=True)
    with pytest.raises(InputError, match=r"b holds nothing; (?!.*give )"):
        splits_for_check("mfnet", far, None)


def test_a_split_of_the_owners_that_is_not_here_is_a_note(root: Path) -> None:
    (root / "val.txt").unlink()
    (root / "images" / "._1D.png").write_bytes(b"left by a Mac")
    notes = {note.what: note.examples for note in checked(root).notes}
    assert notes[NOT_HERE] == ("val, of 392 samples",)
    assert len(notes[UNLISTED]) == 2
    assert NOT_HERE not in {note.what for note in checked(root, "test").notes}


def test_an_x_that_cannot_be_encoded_cannot_be_used(tmp_path: Path) -> None:
    for kind in ("rgb", "x", "labels"):
        (tmp_path / kind).mkdir()
    for name in ("1", "2"):
        write_png(tmp_path / "rgb" / f"{name}.png", np.zeros((8, 12, 3), np.uint8))
        write_png(tmp_path / "labels" / f"{name}.png", np.zeros((8, 12), np.uint8))
        write_png(tmp_path / "x" / f"{name}.png", RNG.integers(0, 255, (8, 12)).astype(np.uint8))
    colours = RNG.integers(0, 255, (8, 12, 3)).astype(np.uint8)
    write_png(tmp_path / "x" / "2.png", colours)
    (tmp_path / "dataset.yaml").write_text("modality: thermal\nlabel_set: street\n")
    report = check_dataset(
        "folder", tmp_path, splits_for_check("folder", tmp_path, None), most_bad=0.5
    )
    assert problem_counts(report) == {UNUSABLE: 1}
    assert "sample 2 in" in report.problems[0].examples[0]
    assert "already colour-mapped" in report.problems[0].examples[0]


def test_a_folder_that_is_not_there_is_said_so(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="gone does not exist"):
        FolderDataset(tmp_path / "gone")


def folder_of(root: Path, labels: tuple[int, int], names: tuple[str, ...]) -> Path:
    """A folder of two thermal samples with these two labels."""
    for kind in ("rgb", "x", "labels"):
        (root / kind).mkdir(parents=True)
    for stem in ("1", "2"):
        write_png(root / "rgb" / f"{stem}.png", RNG.integers(0, 256, (8, 12, 3)).astype(np.uint8))
        write_png(root / "x" / f"{stem}.png", RNG.integers(0, 256, (8, 12)).astype(np.uint8))
        ids = np.full((8, 12), labels[0], np.uint8)
        ids[2:5, 3:7] = labels[1]
        write_png(root / "labels" / f"{stem}.png", ids)
    classes = "".join(f"  - {{name: {n}, color: [{i}, 0, 0]}}\n" for i, n in enumerate(names))
    (root / "labels.yaml").write_text(f"classes:\n{classes}")
    (root / "dataset.yaml").write_text("modality: thermal\nlabel_set: labels.yaml\n")
    return root


def test_black_and_white_masks_are_odd(tmp_path: Path) -> None:
    names = ("ground", "crack")
    masks = folder_of(tmp_path / "masks", (0, 255), names)
    report = check_dataset("folder", masks, splits_for_check("folder", masks, None))
    assert problem_counts(report) == {MASKS: 1}
    assert "set labels: binary in dataset.yaml" in report.problems[0].examples[0]
    good = folder_of(tmp_path / "good", (0, 1), names)
    assert check_dataset("folder", good, splits_for_check("folder", good, None)).clean


def test_doubts_about_x_and_rgb_are_told_in_the_words_of_the_node(tmp_path: Path) -> None:
    root = folder_of(tmp_path / "data", (0, 1), ("ground", "crack"))
    ramp = np.add.outer(np.arange(48), np.arange(64)).astype(np.uint16) * 40
    for kind, image in (
        ("rgb", np.dstack([ramp // 40] * 3).astype(np.uint8)),
        ("labels", np.eye(48, 64, dtype=np.uint8)),
        ("x", ramp.byteswap()),
    ):
        write_png(root / kind / "1.png", image)
    path = root / "rgb" / "1.png"
    cv2.imwrite(str(path), cv2.merge([(ramp // 40).astype(np.uint8)] * 3))
    report = check_dataset("folder", root, splits_for_check("folder", root, None))
    assert problem_counts(report) == {f"samples with {SWAPPED_X}": 1}
    assert "1.png: The thermal images make sense only" in report.problems[0].examples[0]
    notes = {note.what: note.count for note in report.notes}
    assert notes[f"samples with {GREY_RGB}"] == 1
