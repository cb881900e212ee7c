# SPDX-License-Identifier: Apache-2.0
"""What pyproject.toml cannot say: the version, from package.xml, and the files of share/.

For pip, on machines without ROS; colcon builds with CMakeLists.txt instead.
"""

import re
from pathlib import Path

from setuptools import setup

ROOT = Path(__file__).resolve().parent
SHARE = Path("share", "segrgbx_ros")


def version() -> str:
    """The version, from package.xml, the one place where it is written."""
    found = re.search(r"<version>([^<]+)</version>", (ROOT / "package.xml").read_text("utf-8"))
    if found is None:
        raise SystemExit("package.xml has no <version>; restore the file.")
    return found.group(1)


def shared_files() -> list[tuple[str, list[str]]]:
    """What lies in share/segrgbx_ros, a folder at a time, as a colcon install has it."""
    folders: dict[Path, list[str]] = {Path(): ["package.xml"]}
    for top in ("config", "launch", "models", "msg"):
        for path in sorted((ROOT / top).rglob("*")):
            if path.is_file() and "__pycache__" not in path.parts:
                place = path.relative_to(ROOT)
                folders.setdefault(place.parent, []).append(str(place))
    return [(str(SHARE / folder), files) for folder, files in folders.items()]


setup(version=version(), data_files=shared_files())
