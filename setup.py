# SPDX-License-Identifier: Apache-2.0
"""Installation with pip, for machines without ROS; colcon builds with CMakeLists.txt instead."""

import re
from pathlib import Path

from setuptools import find_packages, setup

PACKAGE = "segrgbx_ros"
ROOT = Path(__file__).resolve().parent

CLIP = ["open_clip_torch>=3,<4", "peft>=0.15,<1"]
ONNX = ["onnx>=1.16,<2", "onnxruntime>=1.19,<2", "onnxscript>=0.5,<1"]
TENSORBOARD = ["tensorboard>=2.16,<3"]
TEST = [
    "hypothesis>=6.100,<7",
    "pytest>=7.4,<10",
    "setuptools>=70.1",
    "transformers>=5,<6",
]
LINT = ["mypy>=1.15,<3", "ruff>=0.9,<1", "types-PyYAML>=6,<7"]


def version() -> str:
    """The version, from package.xml, the one place where it is written."""
    found = re.search(r"<version>([^<]+)</version>", (ROOT / "package.xml").read_text("utf-8"))
    if found is None:
        raise SystemExit("package.xml has no <version>; restore the file.")
    return found.group(1)


def requirements() -> list[str]:
    """What the package needs at run time, from requirements.txt, the one list of it."""
    lines = (ROOT / "requirements.txt").read_text("utf-8").splitlines()
    return [line for line in lines if line and not line.startswith("#")]


def shared_files() -> list[tuple[str, list[str]]]:
    """What lies in share/segrgbx_ros, a folder at a time, as a colcon install has it."""
    folders: dict[Path, list[str]] = {Path(): ["package.xml"]}
    for top in ("config", "launch", "models", "msg"):
        for path in sorted((ROOT / top).rglob("*")):
            if path.is_file() and "__pycache__" not in path.parts:
                place = path.relative_to(ROOT)
                folders.setdefault(place.parent, []).append(str(place))
    share = Path("share") / PACKAGE
    return [(str(share / folder), files) for folder, files in folders.items()]


setup(
    name=PACKAGE,
    version=version(),
    description="Semantic segmentation of RGB with a second sensor, for ROS 2 bags and cameras",
    license="Apache-2.0",
    packages=find_packages(include=["segrgbx_core*", "segrgbx_ros*"]),
    package_data={
        "segrgbx_core": ["py.typed", "report/*.j2"],
        "segrgbx_ros": ["py.typed", "replay/*.j2"],
    },
    data_files=shared_files(),
    entry_points={"console_scripts": ["segrgbx = segrgbx_ros.cli:main"]},
    python_requires=">=3.10,<3.13",
    install_requires=requirements(),
    extras_require={
        "clip": CLIP,
        "onnx": ONNX,
        "tensorboard": TENSORBOARD,
        "test": TEST,
        "lint": LINT,
        "dev": CLIP + ONNX + TENSORBOARD + TEST + LINT,
    },
    zip_safe=False,
)
