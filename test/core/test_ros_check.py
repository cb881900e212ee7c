# SPDX-License-Identifier: Apache-2.0
"""`make test-ros` without ROS 2 prints a message and does not fail."""

import os
import subprocess
from pathlib import Path

import pytest


def check(repository: Path, **given: str) -> "subprocess.CompletedProcess[str]":
    kept = {name: value for name, value in os.environ.items() if not name.startswith("ROS_")}
    return subprocess.run(
        ["bash", ".ci/test-ros"],
        cwd=repository,
        env={**kept, **given},
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )


@pytest.mark.parametrize("there", [False, True], ids=["no folder", "an empty folder"])
def test_without_ros_it_says_so_and_passes(repository: Path, tmp_path: Path, there: bool) -> None:
    root = tmp_path / "ros"
    if there:
        root.mkdir()
    done = check(repository, ROS_ROOT=str(root))
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("SKIPPED: ")
    assert f"{root}/*/setup.bash" in done.stdout


def test_a_setup_file_that_is_not_there_fails(repository: Path, tmp_path: Path) -> None:
    missing = tmp_path / "setup.bash"
    done = check(repository, ROS_SETUP=str(missing))
    assert done.returncode == 1
    assert f"{missing} does not exist" in done.stderr
