# SPDX-License-Identifier: Apache-2.0
"""A user's own folder: what its manifest may say, and what is refused instead of guessed."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from segrgbx_core.datasets import FolderDataset, Skipping, encoded, open_dataset
from segrgbx_core.datasets.check import STRAY, check_dataset, splits_for_check
from segrgbx_core.encoding import DepthSettings, encode
from segrgbx_core.errors import InputError, LabelError
from segrgbx_core.files.images import write_png
from segrgbx_core.files.yaml import yaml_text
from segrgbx_core.labels.label_set import load_label_set

LABELS = np.arange(24, dtype=np.uint8).reshape(4, 6) % 11
DEPTH = (5000 + 100 * np.arange(24)).astype(np.uint16).reshape(4, 6)


def manifest(root: Path, modality: str = "depth", rest: str = "") -> None:
    (root / "dataset.yaml").write_text(f"modality: {modality}\nlabel_set: street\n{rest}")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Three pairs of RGB and depth."""
    for kind in ("rgb", "x", "labels"):
        (tmp_path / kind).mkdir()
    for stem in ("000008", "000009", "000010"):
        write_png(tmp_path / "rgb" / f"{stem}.png", np.full((4, 6, 3), 90, np.uint8))
        write_png(tmp_path / "x" / f"{stem}.png", DEPTH)
        write_png(tmp_path / "labels" / f"{stem}.png", LABELS)
    manifest(tmp_path)
    return tmp_path


def test_the_manifest_says_what_the_sensors_numbers_mean(root: Path) -> None:
    manifest(root, rest="settings: {scale: 0.2, far_m: 20, gravity: [0, 1, 0]}\n")
    data = FolderDataset(root)
    assert data.settings == DepthSettings(scale=0.2, far_m=20.0, gravity=(0, 1, 0))
    planes = encoded(data, data[0])
    assert np.array_equal(planes.data, encode("depth", DEPTH, data.settings).data)
    assert not np.array_equal(planes.data, encode("depth", DEPTH).data)


@pytest.mark.parametrize(
    ("rest", "words"),
    [
        ("depth_scale: 5000", r"dataset.yaml .*unknown keys depth_scale; .*modality"),
        ("settings: {scales: 2}", r"dataset.yaml: Depth .*no setting 'scales'"),
        ("settings: {far_m: wide}", r"dataset.yaml: .*far_m is 'wide'; .*number"),
        ("settings: metres", r"settings is 'metres'; .*mapping"),
        ("video: 'yes'", r"video is 'yes'; .*true or false"),
        ("conditions: [night]", r"conditions is \['night'\]; .*mapping"),
        ("conditions: {dark: night}", r"names dark, .*rgb/ has no image"),
        # YAML takes 000010 for the octal number 8.
        ("conditions: {000010: night}", r"conditions .*key 8, .*not text"),
    ],
)
def test_a_manifest_that_would_be_ignored_is_refused(root: Path, rest: str, words: str) -> None:
    manifest(root, rest=rest + "\n")
    with pytest.raises(InputError, match=words):
        FolderDataset(root)


def test_none_and_true_are_settings_too(root: Path) -> None:
    manifest(root, "event", "settings: {hot_pixel_ratio: null, use_incomplete: true}\n")
    settings = FolderDataset(root).settings
    assert repr(settings).count("hot_pixel_ratio=None") == 1
    assert repr(settings).count("use_incomplete=True") == 1


def test_hidden_files_are_nobodys_data(root: Path) -> None:
    for kind in ("rgb", "x", "labels"):
        (root / kind / ".DS_Store").write_bytes(b"\0")
        (root / kind / "._000008.png").write_bytes(b"\0")
    assert FolderDataset(root).stems == ("000008", "000009", "000010")


@pytest.mark.parametrize("kind", ["rgb", "x", "labels"])
def test_two_files_of_one_stem_are_refused(root: Path, kind: str) -> None:
    (root / kind / "000009.bmp").write_bytes(b"\0")
    with pytest.raises(InputError, match=rf"{kind} .*both 000009.bmp and 000009.png"):
        FolderDataset(root)


def deep(path: Path) -> None:
    write_png(path, LABELS.astype(np.uint16))


def palette(path: Path) -> None:
    image = Image.fromarray(LABELS, mode="P")
    image.putpalette([value for i in range(256) for value in (255 - i, i, 7)])
    image.save(path)


@pytest.mark.parametrize("store", [deep, palette])
def test_labels_are_numbers_however_they_are_stored(
    root: Path, store: Callable[[Path], None]
) -> None:
    store(root / "labels" / "000008.png")
    labels = FolderDataset(root)[0].labels
    assert labels.dtype == np.uint8
    assert np.array_equal(labels, LABELS)


def test_large_numbers_do_not_wrap_around(root: Path) -> None:
    write_png(root / "labels" / "000008.png", LABELS.astype(np.uint16) + 256)
    with pytest.raises(LabelError, match=r"000008.png has label 256; .*'street' has 0"):
        FolderDataset(root)[0]


def test_x_of_another_shape_is_named_before_anything_is_trained(root: Path) -> None:
    write_png(root / "x" / "000009.png", DEPTH.T.copy())
    words = r"sample 000009 in .* is 4x6 .*image 6x4, .*aspect"
    data = FolderDataset(root)
    with pytest.raises(InputError, match=words):
        encoded(data, data[1])
    report = check_dataset("folder", root, splits_for_check("folder", root, None), most_bad=1.0)
    assert not report.clean
    assert "000009 in" in report.problems[0].examples[0]
    skipping = Skipping(data, 0.5)
    assert skipping[1].stem == "000010"
    assert [i for i in range(3) if skipping.usable(i)] == [0, 2]


def test_x_of_half_the_size_is_of_the_same_shape(root: Path) -> None:
    write_png(root / "x" / "000009.png", DEPTH[:2, :3].copy())
    data = FolderDataset(root)
    assert encoded(data, data[1]).valid.shape == (2, 3)


def test_x_and_labels_without_an_image_are_odd(root: Path) -> None:
    (root / "rgb" / "000009.png").unlink()
    report = check_dataset("folder", root, splits_for_check("folder", root, None))
    assert {finding.what: finding.examples for finding in report.problems} == {
        STRAY: (
            str(root / "x" / "000009.png"),
            str(root / "labels" / "000009.png"),
        )
    }
    assert len(FolderDataset(root)) == 2


SECRET = "classes: [{name: a secret, color: [999, 0, 0]}]\n"


@pytest.mark.parametrize("told", ["{outside}/own.yaml", "../outside/own.yaml", "link.yaml"])
def test_a_manifest_names_no_file_outside_its_folder(
    root: Path, tmp_path_factory: pytest.TempPathFactory, told: str
) -> None:
    outside = tmp_path_factory.mktemp("outside")
    (outside / "own.yaml").write_text(SECRET)
    (root / "link.yaml").symlink_to(outside / "own.yaml")
    told = told.format(outside=outside).replace("../outside", f"../{outside.name}")
    (root.parent / outside.name).mkdir(exist_ok=True)
    (root / "dataset.yaml").write_text(f"modality: depth\nlabel_set: {told}\n")
    words = rf"dataset\.yaml names label set '{told}', a file outside .*--allow-outside"
    with pytest.raises(InputError, match=words) as refusal:
        FolderDataset(root)
    assert "a secret" not in str(refusal.value)
    with pytest.raises(LabelError, match="a secret"):
        FolderDataset(root, outside=True)


@pytest.mark.parametrize("told", ["../../../../secret", "/secret", "own"])
def test_a_name_of_a_label_set_is_no_path(root: Path, told: str) -> None:
    (root / "own.yaml").write_text(SECRET)
    told = told.replace("/secret", str(root / "own")) if told == "/secret" else told
    (root / "dataset.yaml").write_text(f"modality: depth\nlabel_set: {told}\n")
    with pytest.raises(LabelError, match="was not found") as refusal:
        FolderDataset(root)
    assert "a secret" not in str(refusal.value)


def test_splits_may_share_a_label_set_of_their_root(root: Path, tmp_path: Path) -> None:
    whole = tmp_path / "whole"
    whole.mkdir()
    for kind in ("rgb", "x", "labels"):
        (whole / "train").mkdir(exist_ok=True)
        (root / kind).rename(whole / "train" / kind)
    street = load_label_set("street")
    classes = [{"name": c.name, "color": list(c.color)} for c in street.classes]
    (whole / "own.yaml").write_text(yaml_text({"classes": classes}))
    (whole / "train" / "dataset.yaml").write_text("modality: depth\nlabel_set: ../own.yaml\n")
    assert open_dataset("folder", whole, "train").label_set.name == "own"
    with pytest.raises(InputError, match="outside"):
        FolderDataset(whole / "train")
    data = FolderDataset(whole / "train", outside=True)
    assert data.label_set.names == street.names
