# SPDX-License-Identifier: Apache-2.0
"""Package borders: the core does not import ROS, ROS is optional, no machine-specific paths."""

import ast
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROS_MODULES = {
    "ament_index_python", "builtin_interfaces", "cv_bridge", "diagnostic_msgs",
    "diagnostic_updater", "event_camera_msgs", "geometry_msgs", "launch", "launch_ros",
    "message_filters", "rcl_interfaces", "rclpy", "ros2cli", "rosbag2_py", "rosbags",
    "rosidl_runtime_py", "segrgbx_ros", "sensor_msgs", "sensor_msgs_py", "std_msgs", "std_srvs",
    "tf2_ros", "vision_msgs",
}  # fmt: skip

IMPORT_WITHOUT_ROS = """
import importlib, sys

class NoRos:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in blocked:
            raise ModuleNotFoundError(f"{name} is blocked in this test")

blocked = sys.argv[1].split(",")
sys.meta_path.insert(0, NoRos())
for name in sys.argv[2:]:
    importlib.import_module(name)
"""


def imported_modules(path: Path) -> set[str]:
    """Top-level names of everything a file imports, at any depth of the file."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            names.update(alias.name.split(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            names.add(node.module.split(".")[0])
    return names


def test_the_core_imports_neither_ros_nor_rosbags(repository: Path) -> None:
    files = sorted((repository / "segrgbx_core").rglob("*.py"))
    crossings = {
        str(path.relative_to(repository)): sorted(imported)
        for path in files
        if (imported := imported_modules(path) & ROS_MODULES)
    }
    assert len(files) > 5
    assert crossings == {}


def test_the_ros_package_imports_without_ros_except_the_node(repository: Path) -> None:
    files = sorted((repository / "segrgbx_ros").rglob("*.py"))
    names = [
        ".".join(path.relative_to(repository).with_suffix("").parts).removesuffix(".__init__")
        for path in files
        if "node" not in path.relative_to(repository).parts and path.name != "__main__.py"
    ]
    blocked = ",".join(ROS_MODULES - {"rosbags", "segrgbx_ros"})
    assert "segrgbx_ros.cli" in names
    done = subprocess.run(
        [sys.executable, "-c", IMPORT_WITHOUT_ROS, blocked, *names],
        cwd=repository,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def test_launch_files_need_only_what_ros_brings(repository: Path) -> None:
    """`ros2 launch` reads them in ROS's Python, which sees no virtual environment."""
    launched = (repository / "segrgbx_ros" / "node" / "launch.py").read_text("utf-8")
    names = sorted(
        imported_from(launched, "segrgbx_ros") | imported_from(launched, "segrgbx_core")
    )
    assert names == [
        "segrgbx_core.errors",
        "segrgbx_core.modality",
        "segrgbx_core.wording",
        "segrgbx_ros.messages.sensors",
        "segrgbx_ros.node.parameters.presets",
    ]
    blocked = "rosbags,cv2,torch,rich,jinja2,PIL"
    done = subprocess.run(
        [sys.executable, "-c", IMPORT_WITHOUT_ROS, blocked, *names],
        cwd=repository,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def imported_from(source: str, package: str) -> set[str]:
    nodes = ast.walk(ast.parse(source))
    modules = {node.module or "" for node in nodes if isinstance(node, ast.ImportFrom)}
    return {name for name in modules if name.split(".")[0] == package}


def _paths_of_this_machine(repository: Path) -> re.Pattern[str]:
    places = {repository, Path.home()}
    if f"/{repository.parts[1]}" not in {"/home", "/mnt", "/opt", "/root", "/tmp", "/usr", "/var"}:
        places.add(Path("/", repository.parts[1]))
    wanted = "|".join(re.escape(str(place)) for place in sorted(places) if len(place.parts) > 1)
    return re.compile(rf"(?<![\w.~}}-])(?:{wanted})/")


def test_no_text_file_names_a_path_of_this_machine(repository: Path) -> None:
    listing = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    if shutil.which("git") is None:
        pytest.skip("git is not installed: the list of the repository's files is unknown")
    listed = subprocess.run(listing, cwd=repository, capture_output=True, check=False)
    if listed.returncode != 0:
        pytest.skip(f"git cannot list the repository's files: {listed.stderr.decode().strip()}")
    machine = _paths_of_this_machine(repository)
    hits = []
    for name in filter(None, listed.stdout.decode().split("\0")):
        data = (repository / name).read_bytes() if (repository / name).is_file() else b""
        if b"\0" not in data and (hit := machine.search(data.decode("utf-8", "replace"))):
            hits.append(f"{name}: {hit.group()}")
    assert hits == []
