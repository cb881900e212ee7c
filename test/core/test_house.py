# SPDX-License-Identifier: Apache-2.0
"""The rules of CONTRIBUTING.md that a script can hold: folders, files, classes, calls, names."""

import ast
from collections import Counter, defaultdict
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

PACKAGES = ("segrgbx_core", "segrgbx_ros")
MOST_FILES = 16
MOST_POSITIONAL = 6
# Files under 60 lines that are contracts or parts of a pipeline with a file each.
SHORT = {
    "segrgbx_core/bench/picture.py",
    "segrgbx_core/commands/terminal.py",
    "segrgbx_core/console.py",
    "segrgbx_core/datasets/watching.py",
    "segrgbx_core/datasets/wrapping.py",
    "segrgbx_core/datasets/writing.py",
    "segrgbx_core/encoding/surroundings.py",
    "segrgbx_core/model/dsrm.py",
    "segrgbx_core/model/encoders/interface.py",
    "segrgbx_core/scenes/optics/noise.py",
    "segrgbx_core/scenes/sensors/light_field.py",
    "segrgbx_core/tiles.py",
    "segrgbx_ros/bags/making/stream.py",
    "segrgbx_ros/bags/making/truth.py",
    "segrgbx_ros/bags/scenes.py",
    "segrgbx_ros/bags/span.py",
    "segrgbx_ros/commands/scenes.py",
    "segrgbx_ros/drives/engines.py",
    "segrgbx_ros/events/event_array.py",
    "segrgbx_core/runs/comparison/losses.py",
    "segrgbx_core/runs/junit.py",
    "segrgbx_ros/inspection/doubts.py",
    "segrgbx_ros/messages/compressed.py",
    "segrgbx_ros/node/cameras.py",
    "segrgbx_ros/node/health/gather.py",
    "segrgbx_ros/node/health/ros_logging.py",
    "segrgbx_ros/pairing/slop.py",
    "segrgbx_ros/replay/behind.py",
    "segrgbx_ros/replay/layers.py",
    "segrgbx_ros/replay/tools/pictures.py",
    "segrgbx_ros/replay/tools/video_file.py",
    "segrgbx_ros/scenarios/kinds.py",
    "segrgbx_ros/scenarios/noise.py",
    "segrgbx_ros/scenarios/result.py",
}
# One function of an interface that several modules have.
INTERFACES = {"add_parser", "run", "main", "read", "expose", "splits"}
SENSORS = {"event", "thermal", "depth", "polarization", "light_field"}
WITHOUT_INIT = {"ABC", "Protocol", "Generic"}


@cache
def sources(repository: Path) -> dict[str, ast.Module]:
    files = (path for name in PACKAGES for path in sorted((repository / name).rglob("*.py")))
    return {
        path.relative_to(repository).as_posix(): ast.parse(path.read_text("utf-8"))
        for path in files
        if path.name != "__init__.py"
    }


def everything(repository: Path) -> Iterator[tuple[str, ast.AST]]:
    for name, tree in sources(repository).items():
        for node in ast.walk(tree):
            yield name, node


def test_no_folder_is_too_full(repository: Path) -> None:
    folders = Counter(str(Path(name).parent) for name in sources(repository))
    assert {folder: n for folder, n in folders.items() if n > MOST_FILES} == {}


def test_short_files_are_known(repository: Path) -> None:
    lengths = {
        name: len((repository / name).read_text("utf-8").splitlines())
        for name in sources(repository)
    }
    short = {name for name, length in lengths.items() if length < 60}
    assert short - SHORT == set(), "make it a part of its neighbour, or add a contract to SHORT"


def test_no_call_has_a_long_row_of_arguments_without_names(repository: Path) -> None:
    long = [
        f"{name}:{node.lineno} {ast.unparse(node.func)}"
        for name, node in everything(repository)
        if isinstance(node, ast.Call)
        and len(node.args) > MOST_POSITIONAL
        # A table's row is a list of cells.
        and ast.unparse(node.func).rpartition(".")[2] != "add_row"
    ]
    assert long == []


def own_attributes(body: list[ast.stmt]) -> set[str]:
    return {
        node.attr
        for statement in body
        for node in ast.walk(statement)
        if isinstance(node, ast.Attribute)
        and isinstance(node.ctx, ast.Store)
        and isinstance(node.value, ast.Name)
        and node.value.id == "self"
    }


def declared(cls: ast.ClassDef) -> set[str]:
    """What the class's body and its `__init__` set."""
    known = set[str]()
    for part in cls.body:
        if isinstance(part, ast.AnnAssign) and isinstance(part.target, ast.Name):
            known.add(part.target.id)
        elif isinstance(part, ast.Assign):
            known |= {target.id for target in part.targets if isinstance(target, ast.Name)}
        elif isinstance(part, ast.FunctionDef) and part.name in ("__init__", "__post_init__"):
            known |= own_attributes(part.body)
    return known


def bases(cls: ast.ClassDef) -> set[str]:
    return {ast.unparse(base).partition("[")[0].rpartition(".")[2] for base in cls.bases}


def classes(repository: Path) -> dict[str, list[tuple[str, ast.ClassDef]]]:
    named = defaultdict(list)
    for name, node in everything(repository):
        if isinstance(node, ast.ClassDef):
            named[node.name].append((name, node))
    return named


def test_attributes_are_born_in_init(repository: Path) -> None:
    named = classes(repository)
    late = []
    for name, cls in (pair for pairs in named.values() for pair in pairs):
        known = declared(cls)
        # What a library's class has is not in our sources.
        if any(base not in named and base not in WITHOUT_INIT for base in bases(cls)):
            continue
        for base in bases(cls):
            known |= {attr for _, above in named.get(base, ()) for attr in declared(above)}
        for method in (part for part in cls.body if isinstance(part, ast.FunctionDef)):
            late += [f"{name} {cls.name}.{attr}" for attr in own_attributes(method.body) - known]
    assert late == []


def calls_a_base(cls: ast.ClassDef, method: ast.FunctionDef) -> bool:
    text = ast.unparse(method)
    return any(f"{base}.__init__(" in text for base in ("super()", *bases(cls)))


def test_init_calls_that_of_its_base(repository: Path) -> None:
    silent = [
        f"{name} {cls.name}"
        for pairs in classes(repository).values()
        for name, cls in pairs
        for method in cls.body
        if isinstance(method, ast.FunctionDef) and method.name == "__init__"
        if bases(cls) - WITHOUT_INIT and not calls_a_base(cls, method)
    ]
    assert silent == []


@pytest.mark.parametrize("kind", [ast.ClassDef, ast.FunctionDef])
def test_one_public_name_is_one_thing(repository: Path, kind: type[ast.ClassDef]) -> None:
    homes = defaultdict(list)
    for name, tree in sources(repository).items():
        for node in tree.body:
            if isinstance(node, kind) and not node.name.startswith("_"):
                homes[node.name].append(name)
    assert {n: at for n, at in homes.items() if len(at) > 1 and n not in INTERFACES} == {}


def test_no_code_asks_for_a_sensor_by_name(repository: Path) -> None:
    """But for what lies in a published dataset, and for the sensor that benches take."""
    asked = [
        f"{name}:{node.lineno} {ast.unparse(node)}"
        for name, node in everything(repository)
        if isinstance(node, ast.Compare)
        and not name.startswith(("segrgbx_core/datasets/published/", "segrgbx_core/bench/"))
        and any(isinstance(c, ast.Constant) and c.value in SENSORS for c in ast.walk(node))
    ]
    assert asked == []
