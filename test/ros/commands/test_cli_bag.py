# SPDX-License-Identifier: Apache-2.0
"""`segrgbx bag` as a user calls it."""

import json
import shlex
from pathlib import Path

import pytest

from segrgbx_core.labels.label_set import LabelClass, LabelSet, load_label_set
from segrgbx_ros.bags.reader import BagReader
from segrgbx_ros.cli import build_parser, main
from segrgbx_ros.commands.bag import model_hint
from segrgbx_ros.messages.types import deserialized

STREETS = ["--format", "dataset", "--seconds", "0.8", "--rate", "5", "--size", "64x48"]


@pytest.fixture
def streets(tmp_path: Path) -> Path:
    folder = tmp_path / "streets"
    assert main(["scenes", str(folder), *STREETS]) == 0
    return folder


def printed_call(text: str) -> list[str]:
    (line,) = (line for line in text.splitlines() if line.startswith("replay it: "))
    words = shlex.split(line.removeprefix("replay it: "))
    assert words[0] == "segrgbx"
    return words[1:]


def test_the_printed_replay_runs_and_loses_nothing(
    streets: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "made.mcap"
    assert main(["bag", str(streets), "--dataset", "scenes", str(out)]) == 0
    call = printed_call(capsys.readouterr().out)
    assert call[:4] == ["replay", str(out), "--modality", "thermal"]
    assert out.is_file()
    assert main(call) == 0
    summary = json.loads((tmp_path / "made_replay" / "summary.json").read_text())
    assert summary["frames"]["segmented"] == summary["frames_scored"] == 4
    assert summary["frames"]["dropped"] == {}
    assert main(["inspect", str(out)]) == 0
    assert "Nothing wrong was found." in capsys.readouterr().out


def test_the_example_of_the_help_is_what_is_printed(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The first two lines run as they are, but for the number of streets; the third follows."""
    with pytest.raises(SystemExit):
        build_parser().parse_args(["bag", "--help"])
    lines = capsys.readouterr().out.partition("example:")[2].strip().splitlines()
    scenes, bag, replay = (shlex.split(line)[1:] for line in lines)
    monkeypatch.chdir(tmp_path)
    scenes[scenes.index("20")] = "2"
    assert main([*scenes, "--size", "64x48"]) == 0
    capsys.readouterr()
    assert main(bag) == 0
    printed = printed_call(capsys.readouterr().out)
    assert printed[:-1] == replay[:-1]


@pytest.mark.parametrize(
    ("name", "more", "files"),
    [
        ("made.mcap", [], ["made.mcap"]),
        ("made.db3", [], ["made.db3"]),
        ("made", [], ["made/made.mcap", "made/metadata.yaml"]),
        ("made", ["--storage", "sqlite3"], ["made/made.db3", "made/metadata.yaml"]),
    ],
)
def test_a_file_or_a_folder(
    streets: Path, tmp_path: Path, name: str, more: list[str], files: list[str]
) -> None:
    place = tmp_path / "out"
    assert main(["bag", str(streets), str(place / name), *more]) == 0
    written = sorted(str(p.relative_to(place)) for p in place.rglob("*") if p.is_file())
    assert written == files
    with BagReader(place / name) as bag:
        counts = {topic.name: topic.count for topic in bag.topics}
        assert bag.loss is None
    assert counts == {
        "/rgb/image_raw": 4,
        "/thermal/image_raw": 4,
        "/ground_truth/mask": 4,
        "/ground_truth/label_info": 1,
        "/ground_truth/condition": 4,
    }


def test_limit_and_cameras(streets: Path, tmp_path: Path) -> None:
    camera = tmp_path / "camera.yaml"
    camera.write_text(
        "image_width: 64\nimage_height: 48\ncamera_matrix: {data: [50, 0, 31, 0, 51, 23, 0, 0, 1]}"
        "\ndistortion_coefficients: {data: [0.1, 0, 0, 0, 0]}\ndistortion_model: plumb_bob\n"
    )
    out = tmp_path / "made.mcap"
    call = ["bag", str(streets), str(out), "--limit", "2", "--rgb-camera", str(camera)]
    assert main(call) == 0
    with BagReader(out) as bag:
        counts = {topic.name: topic.count for topic in bag.topics}
        first = bag.first("/rgb/camera_info")
    assert counts["/rgb/image_raw"] == counts["/rgb/camera_info"] == 2
    assert "/thermal/camera_info" not in counts
    assert first is not None
    info = deserialized(first.data, first.msgtype)
    assert info.k.tolist() == [50, 0, 31, 0, 51, 23, 0, 0, 1]
    assert info.d.tolist() == [0.1, 0, 0, 0, 0]


def test_what_is_there_is_kept_without_force(
    streets: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "made.mcap"
    out.write_text("mine")
    assert main(["bag", str(streets), str(out)]) == 2
    assert f"{out} already exists; choose another name, or add --force" in capsys.readouterr().err
    assert out.read_text() == "mine"
    assert main(["bag", str(streets), str(out), "--force"]) == 0
    assert out.stat().st_size > 1000
    assert sorted(p.name for p in tmp_path.iterdir()) == ["made.mcap", "streets"]


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (["--dataset", "kitti"], "Dataset 'kitti' is unknown"),
        (["--split", "test"], "no split 'test'"),
        (["--dataset", "mfnet"], "expected MFNet's"),
        (["--storage", "sqlite3"], "is named as a file of storage 'mcap'"),
        (["--jitter", "0.1"], "expected 0 to below"),
        (["--drop", "2"], "dropped is 2"),
        (["--rate", "0"], "0 Hz"),
        (["--rgb-camera", "{camera}"], "images of 640x480, but the dataset's are 64x48"),
    ],
)
def test_bad_input_is_one_sentence_and_leaves_nothing(
    streets: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    more: list[str],
    said: str,
) -> None:
    camera = tmp_path / "camera.yaml"
    camera.write_text(
        "image_width: 640\nimage_height: 480\ncamera_matrix: {data: [5, 0, 3, 0, 5, 2, 0, 0, 1]}\n"
        "distortion_coefficients: {data: []}\n"
    )
    capsys.readouterr()
    out = tmp_path / "new" / "made.mcap"
    call = ["bag", str(streets), str(out), *(word.format(camera=camera) for word in more)]
    assert main(call) == 2
    err = capsys.readouterr().err
    assert said in err
    assert err.count("\n") == 1
    assert not out.parent.exists()


def test_a_sample_that_cannot_be_read_leaves_no_recording(
    streets: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (streets / "x" / "000002.png").write_bytes(b"no picture")
    capsys.readouterr()
    assert main(["bag", str(streets), str(tmp_path / "made.mcap")]) == 2
    assert "000002.png" in capsys.readouterr().err
    assert sorted(p.name for p in tmp_path.iterdir()) == ["streets"]


def test_the_model_that_is_needed_is_said() -> None:
    assert model_hint(load_label_set("street")) is None
    said = model_hint(load_label_set("mfnet"))
    assert said is not None
    assert "label set 'mfnet'" in said
    assert said.endswith("one over a union with --label-set mfnet")
    own = LabelSet("own", (LabelClass("road", (1, 2, 3)),))
    assert str(model_hint(own)).endswith("(--model)")


@pytest.mark.shared_data
@pytest.mark.parametrize(
    ("dataset", "options", "encoding"),
    [
        ("mfnet", [], "mono8"),
        ("nyudepthv2", ["--dataset", "nyu_depth_v2", "--depth-scale", "6528"], "32FC1"),
    ],
)
def test_real_datasets(
    shared_data: Path, tmp_path: Path, dataset: str, options: list[str], encoding: str
) -> None:
    modality = "thermal" if dataset == "mfnet" else "depth"
    out = tmp_path / "made.mcap"
    call = ["bag", str(shared_data / dataset), "--split", "test", str(out), "--limit", "3"]
    assert main([*call, *(options or ["--dataset", dataset])]) == 0
    with BagReader(out) as bag:
        first = bag.first(f"/{modality}/image_raw")
        counts = {topic.name: topic.count for topic in bag.topics}
    assert first is not None
    assert deserialized(first.data, first.msgtype).encoding == encoding
    assert counts["/rgb/image_raw"] == 3
    assert ("/rgb/camera_info" in counts) == (modality == "depth")
    assert ("/ground_truth/condition" in counts) == (modality == "thermal")
