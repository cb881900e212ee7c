# SPDX-License-Identifier: Apache-2.0
"""A pip install that stands alone: no source tree, every shipped file found."""

import json
import os
import shutil
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import pytest

from segrgbx_core.files.resources import version
from segrgbx_core.labels.label_set import load_label_set

FILES = ("setup.py", "requirements.txt", "pyproject.toml", "package.xml", "MANIFEST.in", "LICENSE")
SHARED = ("config", "launch", "models", "msg")
MODULES = ("segrgbx_core", "segrgbx_ros")

SETUPTOOLS = tuple(int(part) for part in metadata.version("setuptools").split(".")[:2])
BUILDS_WHEELS = (70, 1)

PROBE = """
import json, sys
from pathlib import Path
import segrgbx_core, segrgbx_ros
from segrgbx_core.labels.label_set import load_label_set
from segrgbx_core.files.resources import share_dir, version
share = share_dir()
print(json.dumps({
    "core": segrgbx_core.__file__,
    "ros": segrgbx_ros.__file__,
    "share": str(share),
    "version": version(),
    "classes": list(load_label_set("street").names),
    "files": sorted(str(p.relative_to(share)) for p in share.rglob("*") if p.is_file()),
    "typed": Path(segrgbx_core.__file__).with_name("py.typed").is_file(),
}))
"""


@pytest.fixture(scope="module")
def installed(repository: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What pip makes of a copy of the source tree."""
    if SETUPTOOLS < BUILDS_WHEELS:
        pytest.skip(
            f"setuptools {'.'.join(map(str, SETUPTOOLS))} comes first here (a sourced ROS 2 has "
            "its own) and pyproject.toml needs 70.1; `make test` runs this"
        )
    folder = tmp_path_factory.mktemp("install")
    source = folder / "source"
    for name in SHARED + MODULES:
        shutil.copytree(
            repository / name, source / name, ignore=shutil.ignore_patterns("__pycache__")
        )
    for name in FILES:
        shutil.copy(repository / name, source)
    done = subprocess.run(
        [
            sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-index",
            "--no-build-isolation", "--target", str(folder / "target"), str(source),
        ],
        capture_output=True,
        text=True,
        check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    shutil.rmtree(source)
    return folder / "target"


def run_installed(installed: Path, cwd: Path, *arguments: str) -> str:
    """Runs this interpreter with the installed package alone, and returns what it printed."""
    done = subprocess.run(
        [sys.executable, *arguments],
        cwd=cwd,
        env={**os.environ, "PYTHONPATH": str(installed)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def source_files(repository: Path, *folders: str) -> set[str]:
    """The files under these folders of the source tree, as paths relative to its root."""
    return {
        str(path.relative_to(repository))
        for folder in folders
        for path in (repository / folder).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }


def test_the_installed_package_finds_its_files(
    installed: Path, repository: Path, tmp_path: Path
) -> None:
    seen = json.loads(run_installed(installed, tmp_path, "-c", PROBE))
    assert Path(seen["core"]).is_relative_to(installed)
    assert Path(seen["ros"]).is_relative_to(installed)
    assert Path(seen["share"]) == installed / "share" / "segrgbx_ros"
    assert seen["version"] == version()
    assert tuple(seen["classes"]) == load_label_set("street").names
    assert seen["typed"]
    shipped = source_files(repository, *SHARED)
    assert shipped <= set(seen["files"])


def test_every_module_and_template_is_installed(installed: Path, repository: Path) -> None:
    for name in source_files(repository, *MODULES):
        assert (installed / name).is_file(), name


def test_the_installed_command_says_its_version(installed: Path, tmp_path: Path) -> None:
    call = "import sys; from segrgbx_ros.cli import main; sys.exit(main(sys.argv[1:]))"
    assert version() in run_installed(installed, tmp_path, "-c", call, "--version")
