# SPDX-License-Identifier: Apache-2.0
"""Launch arguments and camera presets, as `ros2 launch` takes them."""

import subprocess
import sys
from pathlib import Path

import pytest
import yaml

sys.path.insert(0, str(Path(__file__).parent))
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "ros" / "node"))
from live_stage import PATIENCE_S, write_tiny_model
from test_node_launch import launched

from segrgbx_core.modality import MODALITIES

pytestmark = pytest.mark.ros


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(write_tiny_model(tmp_path_factory.mktemp("model") / "tiny", tuple(MODALITIES)))


def parameters_of(node: str) -> dict[str, object]:
    """The parameters of a running node, with dots in their names."""
    done = subprocess.run(
        ["ros2", "param", "dump", node],
        capture_output=True,
        text=True,
        check=False,
        timeout=PATIENCE_S,
    )
    assert node in done.stdout, done.stdout + done.stderr
    return dict(flat(yaml.safe_load(done.stdout)[node]["ros__parameters"]))


def flat(content: dict[str, object], above: str = "") -> list[tuple[str, object]]:
    found: list[tuple[str, object]] = []
    for name, value in content.items():
        inner = isinstance(value, dict)
        found += flat(value, f"{above}{name}.") if inner else [(above + name, value)]  # type: ignore[arg-type]
    return found


def test_command_line_over_preset_over_file(tmp_path: Path, model: str) -> None:
    file = tmp_path / "params.yaml"
    file.write_text(
        "/**:\n  ros__parameters:\n    sync.slop: 0.4\n    sync.x_timeout: 0.7\n"
        "    hold_limit: 2.5\n    x_transport: compressed\n"
    )
    told = ("camera:=boson_640", f"params_file:={file}", "x_timeout:=0.3", "x_time_offset:=-1")
    named = ("node_name:=seer", "namespace:=left", f"model:={model}", "log_level:=debug")
    with launched(tmp_path, "thermal.launch.py", *told, *named) as run:
        run.wait_for("Active: /left/rgb/image_raw, /left/boson/image_raw -> /left/seer/mask")
        assert "Camera preset: FLIR Boson 640, counts as mono16" in run.said
        set_to = parameters_of("/left/seer")
    assert set_to["sync.slop"] == 0.02
    assert set_to["x_transport"] == "raw"
    assert set_to["x.settings"] == "unit=raw"
    assert set_to["sync.x_timeout"] == 0.3
    assert set_to["sync.x_time_offset"] == -1.0
    assert set_to["hold_limit"] == 2.5


def test_every_camera_gets_what_the_launch_sets(tmp_path: Path, model: str) -> None:
    told = ("cameras:=front,rear", "camera:=lepton", f"model:={model}", "slop:=0.5")
    with launched(tmp_path, "thermal.launch.py", *told) as run:
        for name in ("front", "rear"):
            run.wait_for(f"/{name}/lepton/image_raw -> /{name}/segrgbx/mask")
            set_to = parameters_of(f"/{name}/segrgbx")
            assert (set_to["model"], set_to["sync.slop"]) == (model, 0.5)
            assert (set_to["sync.x_timeout"], set_to["x.settings"]) == (0.2, "unit=raw")


def test_what_a_file_says_of_the_node_alone_loses(tmp_path: Path, model: str) -> None:
    file = tmp_path / "params.yaml"
    file.write_text(
        "/**:\n  ros__parameters:\n    hold_limit: 2.5\n"
        "/left/segrgbx:\n  ros__parameters:\n    sync.slop: 0.4\n    sync.queue_size: 7\n"
    )
    told = (f"params_file:={file}", "namespace:=left", "slop:=0.1", f"model:={model}")
    with launched(tmp_path, "thermal.launch.py", *told) as run:
        run.wait_for("-> /left/segrgbx/mask")
        set_to = parameters_of("/left/segrgbx")
    assert (set_to["sync.slop"], set_to["sync.queue_size"]) == (0.1, 7)
    assert set_to["hold_limit"] == 2.5


def test_homography_of_ones_own_preset(tmp_path: Path, model: str) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text(
        "camera: Mine\nmodality: thermal\nsends: counts\nsources: [me]\nchecked: '2026-01-02'\n"
        "driver: mine\nparameters:\n  x.align: homography\n  sync.queue_size: 5\n"
        "  x.homography: [2.0, 0.0, 0.0, 0, 2.0, 0.0, 0.0, 0.0, 1]\n"
    )
    with launched(tmp_path, "thermal.launch.py", f"camera:={file}", f"model:={model}") as run:
        run.wait_for("-> /segrgbx/mask")
        set_to = parameters_of("/segrgbx")
    assert set_to["x.homography"] == [2.0, 0.0, 0.0, 0.0, 2.0, 0.0, 0.0, 0.0, 1.0]
    assert set_to["sync.queue_size"] == 5


def test_log_level_reaches_a_node_in_a_namespace(tmp_path: Path) -> None:
    told = ("namespace:=/robot/left", "log_level:=error", "model:=nowhere")
    with launched(tmp_path, "thermal.launch.py", *told) as run:
        run.wait_for("Cannot configure: Model 'nowhere'")
        assert "Loading model" not in run.said


def test_topics_of_a_preset_and_over_it(tmp_path: Path, model: str) -> None:
    told = ("camera:=realsense_d4xx_compressed", "rgb_topic:=/front/image_raw")
    own = ("rgb_transport:=raw", f"model:={model}")
    with launched(tmp_path, "depth.launch.py", *told, *own) as run:
        run.wait_for(
            "Active: /front/image_raw, "
            "/camera/camera/aligned_depth_to_color/image_raw/compressedDepth -> /segrgbx/mask"
        )


def test_a_name_that_looks_like_a_number_stays_a_name(tmp_path: Path) -> None:
    with launched(tmp_path, "thermal.launch.py", "model:=2024") as run:
        run.wait_for("Cannot configure: Model '2024'")


@pytest.mark.parametrize(
    ("file", "argument", "words"),
    [
        (
            "thermal",
            "camera:=boson",
            "Camera preset 'boson' was not found; there are azure_kinect",
        ),
        ("depth", "camera:=boson_640", "ros2 launch segrgbx_ros thermal.launch.py camera:=boson"),
        ("thermal", "slop:=wide", "Launch argument slop is 'wide'; expected a number of seconds"),
        ("thermal", "params_file:=/nope.yaml", "params_file is '/nope.yaml', which is no file"),
        ("thermal", "x_timeout:=nan", "Launch argument x_timeout is 'nan'; expected a number"),
        ("thermal", "x_time_offset:=1s", "Launch argument x_time_offset is '1s'; expected a num"),
        ("thermal", "node_name:=my-node", "Launch argument node_name is 'my-node'; expected let"),
    ],
)
def test_a_refused_argument_is_one_sentence(
    tmp_path: Path, file: str, argument: str, words: str
) -> None:
    with launched(tmp_path, f"{file}.launch.py", argument) as run:
        assert run.wait() == 1, run.said
        assert words in run.said
        assert "Traceback" not in run.said
