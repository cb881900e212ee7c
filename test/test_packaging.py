# SPDX-License-Identifier: Apache-2.0
"""What pip is given: an sdist, the wheel built from it, and one list of what both need."""

import ast
import os
import re
import shutil
import subprocess
import sys
import tarfile
import xml.etree.ElementTree as ElementTree
import zipfile
from importlib import metadata
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

MODULES = ("segrgbx_core", "segrgbx_ros")
SHARED = ("config", "launch", "models", "msg")
NEEDED_AT_RUN_TIME = {
    "config/labels/street.yaml",
    "config/train/thermal.yaml",
    "launch/thermal.launch.py",
    "models/demo/card.yaml",
    "models/demo/model.safetensors",
    "models/real/card.yaml",
    "models/real/model.safetensors",
    "msg/SegmentationStatus.msg",
    "package.xml",
    "segrgbx_core/py.typed",
    "segrgbx_core/report/evaluation.html.j2",
    "segrgbx_ros/drives/drives.html.j2",
    "segrgbx_core/report/assets/uplot/LICENSE",
    "segrgbx_core/report/assets/uplot/uPlot.iife.min.js",
    "segrgbx_core/report/run_page.html.j2",
}

SETUPTOOLS = tuple(int(part) for part in metadata.version("setuptools").split(".")[:2])
BUILDS = (77, 0)

# Where the names differ.
PACKAGE_OF_MODULE = {
    "PIL": "pillow",
    "backports": "backports.zstd",
    "cv2": "opencv-python-headless",
    "open_clip": "open_clip_torch",
    "yaml": "PyYAML",
}
PACKAGE_OF_ROSDEP = {"python3-pil": "pillow", "python3-yaml": "PyYAML"}
NEWER_STANDARD_LIBRARY = {"compression"}
NOT_IN_DEV = ("fuzz", "rerun")
# Modules that come with a declared dependency.
BROUGHT_BY = {"markupsafe": "jinja2"}


def run(*command: str | Path, cwd: Path, pythonpath: Path | None = None) -> str:
    """Runs a command without the caller's PYTHONPATH, and returns what it printed."""
    env = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    if pythonpath is not None:
        env["PYTHONPATH"] = str(pythonpath)
    done = subprocess.run(command, cwd=cwd, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def imported_modules(path: Path) -> set[str]:
    """Top-level names of everything a file imports, at any depth of the file."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            names.update(alias.name.split(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            names.add(node.module.split(".")[0])
    return names


@pytest.fixture(scope="module")
def tracked(repository: Path) -> set[str]:
    """The repository's files, without what git ignores, as paths relative to its root."""
    if shutil.which("git") is None:
        pytest.skip("git is not installed: the list of the repository's files is unknown")
    listing = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(listing, cwd=repository, capture_output=True, check=False)
    if listed.returncode != 0:
        pytest.skip(f"git cannot list the repository's files: {listed.stderr.decode().strip()}")
    names = filter(None, listed.stdout.decode().split("\0"))
    return {name for name in names if (repository / name).is_file()}


@pytest.fixture(scope="module")
def manifest(repository: Path) -> ElementTree.Element:
    return ElementTree.parse(repository / "package.xml").getroot()


@pytest.fixture(scope="module")
def ros_dependencies(manifest: ElementTree.Element) -> set[str]:
    """What package.xml asks for at run time."""
    return {
        element.text or ""
        for element in manifest
        if element.tag in ("depend", "build_export_depend", "exec_depend")
    }


@pytest.fixture(scope="module")
def sdist(repository: Path, tracked: set[str], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The sdist that setuptools makes of a copy of the repository's files."""
    if SETUPTOOLS < BUILDS:
        pytest.skip(
            f"setuptools {'.'.join(map(str, SETUPTOOLS))} comes first here (a sourced ROS 2 has "
            "its own) and pyproject.toml needs 77; `make test` runs this"
        )
    folder = tmp_path_factory.mktemp("sdist")
    source = folder / "source"
    for name in tracked:
        (source / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(repository / name, source / name)
    call = "import sys; from setuptools import build_meta; build_meta.build_sdist(sys.argv[1])"
    run(sys.executable, "-c", call, folder, cwd=source)
    shutil.rmtree(source)
    [archive] = folder.glob("*.tar.gz")
    return archive


@pytest.fixture(scope="module")
def wheel(sdist: Path) -> Path:
    """The wheel that pip builds from the sdist alone."""
    run(
        sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-index",
        "--no-build-isolation", "--wheel-dir", sdist.parent, sdist,
        cwd=sdist.parent,
    )  # fmt: skip
    [built] = sdist.parent.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def distribution(wheel: Path) -> metadata.PathDistribution:
    """The wheel's metadata."""
    name, version = wheel.name.split("-")[:2]
    return metadata.PathDistribution(zipfile.Path(wheel) / f"{name}-{version}.dist-info")


@pytest.fixture(scope="module")
def requirements(distribution: metadata.PathDistribution) -> dict[str, str]:
    """Normalised name of each declared dependency to its extra; '' for none."""
    found: dict[str, str] = {}
    for requirement in map(Requirement, distribution.requires or []):
        extra = re.search(r'extra == "(.+)"', str(requirement.marker))
        found[canonicalize_name(requirement.name)] = extra.group(1) if extra else ""
    assert found.pop("segrgbx-ros") == "dev"
    return found


def test_the_sdist_holds_what_builds_the_package_with_pip_and_with_colcon(
    sdist: Path, tracked: set[str]
) -> None:
    with tarfile.open(sdist) as archive:
        held = {name.partition("/")[2] for name in archive.getnames()}
    assert {".ci/test-ros", "CMakeLists.txt", "package.xml", "pyproject.toml", "setup.py"} <= held
    assert {name for name in tracked if not name.startswith(".")} <= held


def test_the_wheel_holds_the_packages_files_and_nothing_else(
    wheel: Path, tracked: set[str]
) -> None:
    with zipfile.ZipFile(wheel) as archive:
        held = {name for name in archive.namelist() if ".dist-info/" not in name}
    share = re.compile(r"^segrgbx_ros-[^/]+\.data/data/share/segrgbx_ros/")
    shared = {share.sub("", name) for name in held if share.match(name)}
    modules = {name for name in held if not share.match(name)}
    assert shared == {
        name for name in tracked if name == "package.xml" or name.split("/")[0] in SHARED
    }
    assert modules == {name for name in tracked if name.split("/")[0] in MODULES}
    assert shared | modules >= NEEDED_AT_RUN_TIME


def test_the_wheel_says_what_the_repository_says(
    distribution: metadata.PathDistribution, manifest: ElementTree.Element
) -> None:
    assert distribution.version == manifest.findtext("version")
    assert distribution.metadata["License-Expression"] == manifest.findtext("license")
    [script] = distribution.entry_points
    assert (script.group, script.name) == ("console_scripts", "segrgbx")
    assert script.value == "segrgbx_ros.cli:main"


def test_the_extra_dev_is_all_that_installs_everywhere(
    distribution: metadata.PathDistribution,
) -> None:
    """atheris has wheels for few machines, and `make fuzz` does not need it; rerun: numpy 2."""
    extras = set(distribution.metadata.get_all("Provides-Extra") or [])
    known = {
        "clip",
        "cluster",
        "dev",
        "formats",
        "fuzz",
        "lint",
        "onnx",
        "pretrained",
        "rerun",
        "teacher",
        "tensorboard",
        "test",
        "video",
    }
    assert extras == known
    own = [line for line in distribution.requires or [] if line.startswith("segrgbx_ros[")]
    assert [Requirement(line).extras for line in own] == [extras - {"dev", *NOT_IN_DEV}]


def test_the_installed_command_uses_the_installed_model(wheel: Path, tmp_path: Path) -> None:
    target = tmp_path / "target"
    run(
        sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-index",
        "--target", target, wheel,
        cwd=tmp_path,
    )  # fmt: skip
    models = target / "share" / "segrgbx_ros" / "models"
    (models / "demo").rename(models / "only_here")  # a name the source tree does not know
    empty = tmp_path / "empty"
    empty.mkdir()
    command = target / "bin" / "segrgbx"
    printed = run(sys.executable, command, "info", "only_here", cwd=empty, pythonpath=target)
    assert "Model demo\n" in printed
    assert "(checked)" in printed


def test_every_import_is_of_a_declared_dependency(
    repository: Path, requirements: dict[str, str], ros_dependencies: set[str]
) -> None:
    files = [path for top in (*MODULES, "launch") for path in (repository / top).rglob("*.py")]
    imported = set().union(*map(imported_modules, files)) - set(MODULES)
    imported -= sys.stdlib_module_names | NEWER_STANDARD_LIBRARY
    declared = {*requirements, *map(canonicalize_name, ros_dependencies)}
    assert {"torch", "rclpy"} <= imported
    undeclared = {
        module
        for module in imported
        for name in [PACKAGE_OF_MODULE.get(module, BROUGHT_BY.get(module, module))]
        if canonicalize_name(name) not in declared
    }
    assert undeclared == set()


def test_pip_brings_the_python_packages_that_package_xml_asks_for(
    repository: Path, requirements: dict[str, str], ros_dependencies: set[str]
) -> None:
    keys = {name for name in ros_dependencies if name.startswith("python3-")}
    names = {PACKAGE_OF_ROSDEP.get(key, key.removeprefix("python3-")) for key in keys}
    assert len(keys) > 3
    assert {requirements.get(canonicalize_name(name)) for name in names} == {""}
    readme = (repository / "README.md").read_text("utf-8")
    skipped = re.search(r'rosdep install .*--skip-keys "([^"]*)"', readme)
    assert skipped is not None
    assert set(skipped.group(1).split()) == keys


def test_contributing_has_one_line_for_each_dependency(
    repository: Path, requirements: dict[str, str]
) -> None:
    text = (repository / "CONTRIBUTING.md").read_text("utf-8").partition("\n## Dependencies\n")[2]
    listed: list[tuple[str, str]] = []
    for cell in re.findall(r"^\| (.+?) \|", text, re.MULTILINE):
        names, _, extra = cell.partition(" (extra `")
        for name in map(canonicalize_name, names.split(", ")):
            if name in requirements:
                listed.append((name, extra.removesuffix("`)")))
    assert sorted(listed) == sorted(requirements.items())


def test_the_lock_has_hashes_and_all_requirements(
    repository: Path, requirements: dict[str, str]
) -> None:
    """What make setup LOCKED=1 installs; make lock resolves it again."""
    text = (repository / "requirements.lock").read_text("utf-8")
    entries = re.split(r"\n(?=[a-zA-Z])", text.strip())
    wanted = {}
    for entry in entries:
        line, *hashes = (part.strip(" \\") for part in entry.splitlines())
        pinned = Requirement(line)
        assert re.fullmatch(r"==[^,*]+", str(pinned.specifier)), line
        assert hashes, line
        assert all(re.fullmatch(r"--hash=sha256:[0-9a-f]{64}", part) for part in hashes), line
        wanted[canonicalize_name(pinned.name)] = pinned
    assert {name for name, extra in requirements.items() if extra not in NOT_IN_DEV} <= set(wanted)
    assert "LOCKED" in (repository / "Makefile").read_text("utf-8")
    assert "pip-audit --strict --require-hashes" in (
        repository / ".github" / "workflows" / "ci.yml"
    ).read_text("utf-8")
