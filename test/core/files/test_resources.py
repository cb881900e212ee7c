# SPDX-License-Identifier: Apache-2.0
"""The package's own files and its one version number."""

import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest

from segrgbx_core.errors import SegRgbxError
from segrgbx_core.files import resources


@pytest.fixture
def package_version() -> str:
    manifest = ElementTree.parse(resources.share_dir() / "package.xml")
    return manifest.getroot().findtext("version", default="")


def test_share_dir_holds_what_ships_with_the_package() -> None:
    share = resources.share_dir()
    assert (share / "package.xml").is_file()
    assert (share / "config" / "labels" / "street.yaml").is_file()
    assert (share / "msg" / "SegmentationStatus.msg").is_file()


def test_version_is_the_one_in_package_xml(package_version: str) -> None:
    assert resources.version() == package_version


def test_setup_py_takes_its_version_from_package_xml(
    repository: Path, package_version: str
) -> None:
    printed = subprocess.run(
        [sys.executable, "setup.py", "--version"],
        cwd=repository,
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert printed.split()[-1] == package_version


def test_changelog_has_a_section_for_the_version(repository: Path, package_version: str) -> None:
    lines = (repository / "CHANGELOG.rst").read_text("utf-8").splitlines()
    assert any(line.split(" ")[0] == package_version for line in lines)


def test_missing_shared_files_are_said_in_words(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(resources, "__file__", str(tmp_path / "segrgbx_core" / "resources.py"))
    resources.share_dir.cache_clear()
    try:
        with pytest.raises(SegRgbxError, match=r"share/segrgbx_ros: install"):
            resources.share_dir()
    finally:
        resources.share_dir.cache_clear()
