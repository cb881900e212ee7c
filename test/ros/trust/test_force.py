# SPDX-License-Identifier: Apache-2.0
"""--force removes and replaces only what an earlier run wrote: no input, no link, nothing else."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from segrgbx_ros import cli

Captured = pytest.CaptureFixture[str]
Tree = dict[str, bytes]


def contents(folder: Path) -> Tree:
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


@pytest.fixture
def replay(small_model: Path) -> Callable[..., int]:
    def run(bag: Path, out: Path, *more: str) -> int:
        argv = ["replay", str(bag), "--modality", "thermal", "--model", str(small_model)]
        argv += ["--slop", "0.2", "--max-frames", "2", "--out", str(out), *more]
        return cli.main(argv)

    return run


def refused(status: int, capsys: Captured, words: str) -> None:
    told = capsys.readouterr().err
    assert status == 2, told
    assert words in told
    assert told.count("\n") == 1


@pytest.mark.parametrize("named", ["folder", "file", "link"])
def test_a_recording_in_the_output_folder_is_kept(
    small_drive: Path, replay: Callable[..., int], tmp_path: Path, capsys: Captured, named: str
) -> None:
    bag = tmp_path / "out" / "result"
    bag.mkdir(parents=True)
    shutil.copy(small_drive / "drive.mcap", bag / "result.mcap")
    meta = (small_drive / "metadata.yaml").read_text().replace("drive.mcap", "result.mcap")
    (bag / "metadata.yaml").write_text(meta)
    (tmp_path / "link.mcap").symlink_to(bag / "result.mcap")
    given = {"folder": bag, "file": bag / "result.mcap", "link": tmp_path / "link.mcap"}[named]
    before = contents(tmp_path)
    refused(replay(given, tmp_path / "out", "--force"), capsys, "is an input, and ")
    assert contents(tmp_path) == before


@pytest.mark.parametrize("name", ["result", "overlays", "masks", "page"])
def test_folders_that_are_links_are_refused_before_anything_is_removed(
    small_drive: Path, replay: Callable[..., int], tmp_path: Path, capsys: Captured, name: str
) -> None:
    out = tmp_path / "out"
    assert replay(small_drive, out) == 0
    capsys.readouterr()
    (out / name).mkdir(exist_ok=True)
    shutil.move(out / name, tmp_path / "elsewhere")
    (out / name).symlink_to(tmp_path / "elsewhere")
    before = contents(tmp_path)
    words = f"{out / name} is a link to another place"
    refused(replay(small_drive, out, "--force"), capsys, words)
    assert contents(tmp_path) == before


def test_a_foreign_file_in_the_result_is_noticed_before_anything_is_removed(
    small_drive: Path, replay: Callable[..., int], tmp_path: Path, capsys: Captured
) -> None:
    out = tmp_path / "out"
    assert replay(small_drive, out) == 0
    (out / "result" / "notes.txt").write_text("mine")
    before = contents(out)
    capsys.readouterr()
    refused(replay(small_drive, out, "--force"), capsys, "another origin (notes.txt)")
    assert contents(out) == before


def test_what_is_not_ours_in_plain_folders_stays(
    small_drive: Path, replay: Callable[..., int], tmp_path: Path
) -> None:
    out = tmp_path / "out"
    for name in ("notes.txt", "overlays/mine.png", "overlays/1.png", "page/x/000000.json"):
        (out / name).parent.mkdir(parents=True, exist_ok=True)
        (out / name).write_text("mine")
    assert replay(small_drive, out, "--force") == 0
    assert replay(small_drive, out, "--force") == 0
    mine = [name for name, data in contents(out).items() if data == b"mine"]
    assert sorted(mine) == ["notes.txt", "overlays/1.png", "overlays/mine.png",
                            "page/x/000000.json"]  # fmt: skip


def test_a_stale_page_does_not_outlive_a_replay_that_fails(
    small_drive: Path, replay: Callable[..., int], tmp_path: Path
) -> None:
    out = tmp_path / "out"
    assert replay(small_drive, out) == 0
    assert replay(small_drive, out, "--force", "--slop", "0.000001") == 2
    assert not (out / "summary.json").exists()
    assert not (out / "report.html").exists()


def test_a_failed_replay_leaves_no_folder(
    small_drive: Path, replay: Callable[..., int], tmp_path: Path
) -> None:
    assert replay(small_drive, tmp_path / "new" / "out", "--slop", "0.000001") == 2
    assert list(tmp_path.iterdir()) == []


def _segment(data: Path, model: Path) -> list[str]:
    shutil.copy(data / "rgb" / "000000.png", data / "rgb" / "000000_mask.png")
    argv = ["segment", "--rgb", str(data / "rgb"), "--model", str(model)]
    return [*argv, "--out", str(data / "rgb")]


def _encode(data: Path, _: Path) -> list[str]:
    return ["encode", str(data / "x" / "000000.png"), "--modality", "thermal",
            "--out", str(data / "x")]  # fmt: skip


def _encode_one(data: Path, _: Path) -> list[str]:
    return ["encode", str(data / "x" / "000000.png"), "--modality", "thermal",
            "--out", str(data / "x" / "000000.png")]  # fmt: skip


def _check(data: Path, _: Path) -> list[str]:
    return ["data", "check", str(data), "--out", str(data / "rgb" / "000000.png")]


def _evaluate(data: Path, model: Path) -> list[str]:
    for kind in ("rgb", "x", "labels"):
        shutil.copy(data / kind / "000000.png", data / kind / "confusion.png")
    return ["evaluate", str(data), "--model", str(model), "--out", str(data / "rgb")]


@pytest.mark.parametrize("command", [_segment, _encode, _encode_one, _check, _evaluate])
def test_no_command_replaces_its_input(
    command: Callable[[Path, Path], list[str]],
    small_dataset: Path,
    small_model: Path,
    tmp_path: Path,
    capsys: Captured,
) -> None:
    data = tmp_path / "data"
    shutil.copytree(small_dataset, data)
    argv = command(data, small_model)
    before = contents(tmp_path)
    refused(cli.main([*argv, "--force"]), capsys, "is an input, and ")
    assert contents(tmp_path) == before


def test_an_evaluation_does_not_write_through_a_link(
    small_dataset: Path, small_model: Path, tmp_path: Path, capsys: Captured
) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "worst").symlink_to(tmp_path / "elsewhere")
    argv = ["evaluate", str(small_dataset), "--model", str(small_model)]
    status = cli.main([*argv, "--out", str(tmp_path / "out"), "--force"])
    refused(status, capsys, "worst is a link to another place")
    assert list((tmp_path / "elsewhere").iterdir()) == []


def test_scenes_do_not_write_through_a_link(tmp_path: Path, capsys: Captured) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "labels").symlink_to(tmp_path / "elsewhere")
    argv = ["scenes", str(tmp_path / "out"), "--seconds", "0.2", "--size", "64x48", "--force"]
    refused(cli.main([*argv, "--format", "dataset"]), capsys, "labels is a link")
    assert list((tmp_path / "elsewhere").iterdir()) == []


def test_an_import_does_not_replace_its_checkpoint(
    small_model: Path, tmp_path: Path, capsys: Captured
) -> None:
    out = tmp_path / "out"
    shutil.copytree(small_model, out)
    before = contents(out)
    argv = ["import", str(out / "model.safetensors"), "--label-set", "street", "--modality"]
    status = cli.main([*argv, "thermal", "--out", str(out), "--force"])
    refused(status, capsys, "model.safetensors is an input, and ")
    assert contents(out) == before


RECIPE = """
name: r
description: a test
seed: 1
data:
  train: {folder: data}
  validation: {folder: data}
model: {preset: b0, num_classes: 11, head_width: 16}
augment: {crop: [32, 32]}
optimiser: {steps: 1, batch: 2, learning_rate: 1.0e-3, warm_up: 0, validate_every: 1}
short_side: 32
"""


@pytest.mark.parametrize("name", ["model", "data", "tensorboard"])
def test_a_training_does_not_write_through_a_link(
    small_dataset: Path, tmp_path: Path, capsys: Captured, name: str
) -> None:
    shutil.copytree(small_dataset, tmp_path / "data")
    (tmp_path / "r.yaml").write_text(RECIPE)
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / name).symlink_to(tmp_path / "elsewhere")
    status = cli.main(
        ["train", str(tmp_path / "r.yaml"), "--out", str(tmp_path / "out"), "--force"]
    )
    refused(status, capsys, f"{name} is a link to another place")
    assert list((tmp_path / "elsewhere").iterdir()) == []


def test_a_training_does_not_replace_what_it_starts_from(
    small_dataset: Path, small_model: Path, tmp_path: Path, capsys: Captured
) -> None:
    shutil.copytree(small_dataset, tmp_path / "data")
    out = tmp_path / "out"
    shutil.copytree(small_model, out / "model")
    (out / "checkpoint.pt").write_bytes(b"of the training before")
    (tmp_path / "r.yaml").write_text(f"{RECIPE}start_from: out/model\n")
    before = contents(out)
    status = cli.main(["train", str(tmp_path / "r.yaml"), "--out", str(out), "--force"])
    refused(status, capsys, "is an input, and ")
    assert contents(out) == before


def test_a_recording_of_a_dataset_replaces_no_more_than_its_own_file(
    small_dataset: Path, tmp_path: Path
) -> None:
    (tmp_path / "kept.txt").write_text("of another")
    elsewhere = tmp_path / "elsewhere.mcap"
    elsewhere.write_text("of another")
    out = tmp_path / "out.mcap"
    out.symlink_to(elsewhere)
    assert cli.main(["bag", str(small_dataset), str(out), "--limit", "1", "--force"]) == 0
    assert not out.is_symlink()
    assert out.read_bytes().startswith(b"\x89MCAP")
    assert elsewhere.read_text() == (tmp_path / "kept.txt").read_text() == "of another"


def test_a_comparison_is_not_written_into_a_run(
    small_drive: Path, replay: Callable[..., int], tmp_path: Path, capsys: Captured
) -> None:
    run = tmp_path / "run"
    assert replay(small_drive, run) == 0
    before = contents(run)
    capsys.readouterr()
    status = cli.main(["compare", str(run), "--out", str(run), "--force"])
    refused(status, capsys, "is one of the runs")
    assert contents(run) == before


def test_these_are_the_commands_with_force() -> None:
    """A further one belongs into the tests above."""
    given = {
        name
        for name, parser in _parsers(cli.build_parser())
        if any("--force" in action.option_strings for action in parser._actions)
    }
    assert given == {"scenes", "encode", "segment", "replay", "check", "train", "evaluate",
                     "embeddings", "import", "bag", "compare"}  # fmt: skip


def _parsers(parser: cli.argparse.ArgumentParser) -> list[tuple[str, cli.argparse.ArgumentParser]]:
    found = []
    for action in parser._actions:
        if isinstance(action, cli.argparse._SubParsersAction):
            for name, inner in action.choices.items():
                found += [(name, inner), *_parsers(inner)]
    return found
