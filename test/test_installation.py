# SPDX-License-Identifier: Apache-2.0
"""The containers and the citation say what the repository says."""

import json
import re
import shlex
import shutil
import subprocess
import xml.etree.ElementTree as ElementTree
from pathlib import Path
from typing import Any

import pytest
import yaml

from segrgbx_ros.cli import build_parser


@pytest.fixture(scope="module")
def dockerfile(repository: Path) -> list[tuple[str, str]]:
    """Each instruction and its arguments, without comments, a line each."""
    text = (repository / "docker" / "Dockerfile").read_text("utf-8")
    text = re.sub(r"^\s*#.*\n", "", text, flags=re.MULTILINE).replace("\\\n", " ")
    return [(word, rest) for word, _, rest in (line.partition(" ") for line in text.splitlines())]


@pytest.fixture(scope="module")
def context(repository: Path) -> set[str]:
    """What .dockerignore lets through; it keeps out all else."""
    lines = (repository / ".dockerignore").read_text("utf-8").splitlines()
    rules = [line for line in lines if line and not line.startswith("#")]
    assert rules[0] == "*"
    assert rules[-1] == "**/__pycache__"
    assert all(rule.startswith("!") for rule in rules[1:-1])
    return {rule[1:] for rule in rules[1:-1]}


@pytest.fixture(scope="module")
def services(repository: Path) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load(
        (repository / "docker" / "compose.yaml").read_text("utf-8")
    )["services"]
    return found


def arguments(dockerfile: list[tuple[str, str]], wanted: str) -> list[str]:
    return [rest for word, rest in dockerfile if word == wanted]


def test_the_image_is_given_all_that_cmake_installs(repository: Path, context: set[str]) -> None:
    cmake = (repository / "CMakeLists.txt").read_text("utf-8")
    named = re.findall(r"\b(segrgbx_core|segrgbx_ros|msg|scripts|launch|config|models)\b", cmake)
    assert {*named, "CMakeLists.txt", "package.xml"} <= context
    directories = re.findall(r"install\((?:DIRECTORY|PROGRAMS) ([^)]*?)\n? *DESTINATION", cmake)
    tops = {name.split("/")[0] for words in directories for name in words.split()}
    assert "models" in tops
    assert tops <= context
    assert all((repository / name).exists() for name in context)


def test_the_image_installs_the_requirements_and_copies_what_it_may(
    dockerfile: list[tuple[str, str]], context: set[str]
) -> None:
    sources = {rest.split()[0] for rest in arguments(dockerfile, "COPY")}
    assert {"package.xml", "requirements.txt", "."} <= sources
    assert sources - {"."} <= context
    [pip] = [run for run in arguments(dockerfile, "RUN") if "pip" in run and "install" in run]
    assert "-r src/segrgbx_ros/requirements.txt" in pip


def test_the_image_skips_the_keys_that_pip_brings_and_rviz(
    repository: Path, dockerfile: list[tuple[str, str]]
) -> None:
    skips = r'rosdep install .*--skip-keys "([^"]*)"'
    readme = re.search(skips, (repository / "README.md").read_text("utf-8"))
    image = re.search(skips, "\n".join(arguments(dockerfile, "RUN")))
    assert readme is not None
    assert image is not None
    assert set(image.group(1).split()) == {"rviz2", *readme.group(1).split()}


def test_the_image_runs_its_entry_point_as_an_ordinary_user(
    repository: Path, dockerfile: list[tuple[str, str]]
) -> None:
    assert arguments(dockerfile, "USER") == ["1000:1000"]
    [entry] = arguments(dockerfile, "ENTRYPOINT")
    assert json.loads(entry) == ["/entrypoint.sh"]
    assert "docker/entrypoint.sh /" in arguments(dockerfile, "COPY")
    script = repository / "docker" / "entrypoint.sh"
    assert script.stat().st_mode & 0o111 == 0o111
    if (bash := shutil.which("bash")) is not None:
        subprocess.run([bash, "-n", script], check=True)


def test_the_services_start_what_there_is(repository: Path, services: dict[str, Any]) -> None:
    assert set(services) == {"thermal", "thermal-cuda", "replay"}
    for name, service in services.items():
        build = service["build"]
        file = repository / "docker" / build["context"] / build["dockerfile"]
        assert file.resolve() == (repository / "docker" / "Dockerfile").resolve(), name
        assert service["user"] == "${USER_ID:-1000}:${GROUP_ID:-1000}"
    node = (repository / "segrgbx_ros" / "node" / "launch.py").read_text("utf-8")
    for name in ("thermal", "thermal-cuda"):
        *command, package, file, rgb, x, model = services[name]["command"]
        assert (command, package) == (["ros2", "launch"], "segrgbx_ros")
        assert (repository / "launch" / file).is_file()
        for argument in (rgb, x, model):
            assert f'"{argument.partition(":=")[0]}"' in node
    assert services["thermal-cuda"]["image"] != services["thermal"]["image"]
    assert services["thermal-cuda"]["build"]["args"]["PIP_EXTRA_INDEX_URL"] == ""


def test_the_replay_reads_a_bag_that_it_cannot_write_without_a_network(
    services: dict[str, Any],
) -> None:
    replay = services["replay"]
    assert replay["network_mode"] == "none"
    bag, out = replay["volumes"]
    assert bag["read_only"] is True
    assert "read_only" not in out
    words = [re.sub(r"\$\{\w+:-(.*)\}", r"\1", word) for word in replay["command"]]
    told = build_parser().parse_args(words[1:])
    assert words[0] == "segrgbx"
    assert (told.command, list(map(str, told.bags))) == ("replay", [bag["target"]])
    assert told.modality == "thermal"
    assert Path(told.out).parent == Path(out["target"])


def test_the_devcontainer_is_a_stage_of_the_image(
    repository: Path, dockerfile: list[tuple[str, str]]
) -> None:
    folder = repository / ".devcontainer"
    told = json.loads((folder / "devcontainer.json").read_text("utf-8"))
    build = told["build"]
    assert (folder / build["dockerfile"]).resolve() == repository / "docker" / "Dockerfile"
    assert (folder / build["context"]).resolve() == repository
    stages = {rest.partition(" AS ")[2] for rest in arguments(dockerfile, "FROM")}
    assert build["target"] in stages - {""}
    assert set(build["args"]) <= {rest.split("=")[0] for rest in arguments(dockerfile, "ARG")}
    assert any(
        shlex.split(run)[-1] == told["remoteUser"]
        for run in arguments(dockerfile, "RUN")
        if "useradd" in run
    )
    make = (repository / "Makefile").read_text("utf-8")
    assert f"\n{told['postCreateCommand'].removeprefix('make ')}:" in make


def test_the_citation_says_what_package_xml_says(repository: Path) -> None:
    cited = yaml.safe_load((repository / "CITATION.cff").read_text("utf-8"))
    manifest = ElementTree.parse(repository / "package.xml").getroot()
    assert cited["cff-version"] == "1.2.0"
    assert cited["version"] == manifest.findtext("version")
    assert cited["license"] == manifest.findtext("license")
    assert [author["name"] for author in cited["authors"]] == [manifest.findtext("maintainer")]
