# SPDX-License-Identifier: Apache-2.0
"""Several cameras in one process: one model, a node and masks for each."""

import gc
import subprocess
import sys
import time
import weakref
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parent))
from live_stage import (
    MS,
    PATIENCE_S,
    START_NS,
    STEP_S,
    rgb_message,
    write_tiny_model,
    x_message,
)

from segrgbx_core.errors import InputError
from segrgbx_ros.node.cameras import camera_names
from segrgbx_ros.node.model import ModelPool, NodeModel
from segrgbx_ros.node.parameters.parameters import settings_from

CAMERAS = ("front", "left")


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(write_tiny_model(tmp_path_factory.mktemp("model") / "tiny"))


def test_names_are_namespaces() -> None:
    assert camera_names(" front, left ,") == CAMERAS
    assert camera_names("") == ()
    with pytest.raises(InputError, match=r"the name '2nd'; expected letters, .* front,left"):
        camera_names("front,2nd")
    with pytest.raises(InputError, match="has 'front' twice"):
        camera_names("front,front")


def test_a_pool_loads_once_and_frees_with_the_last(model: str) -> None:
    settings = settings_from({"model": model, "modality": "thermal", "device": "cpu"})
    pool = ModelPool()
    cameras = [NodeModel(settings, pool) for _ in CAMERAS]
    first, second = (camera.segmenter for camera in cameras)
    assert first is not None
    assert second is not None
    assert first is not second
    assert first._model is second._model
    assert NodeModel(settings).segmenter._model is not first._model  # type: ignore[union-attr]


def test_a_pool_keeps_no_model_that_no_camera_has(model: str) -> None:
    settings = settings_from({"model": model, "modality": "thermal", "device": "cpu"})
    pool = ModelPool()
    camera = NodeModel(settings, pool)
    before = weakref.ref(pool.load(model, "cpu"))
    assert before() is not None
    del camera
    gc.collect()
    assert before() is None


@pytest.mark.ros
def test_each_camera_gets_its_masks_from_one_model(model: str) -> None:
    import rclpy
    from rclpy.context import Context
    from rclpy.executors import SingleThreadedExecutor
    from rclpy.node import Node
    from rclpy.parameter import Parameter
    from sensor_msgs.msg import Image

    from segrgbx_ros.msg import SegmentationStatus
    from segrgbx_ros.node.node import SegmentationNode

    context, pool = Context(), ModelPool()
    rclpy.init(context=context)
    told = {"model": model, "modality": "thermal", "warmup_iterations": 0, "device": "cpu"}
    nodes = [
        SegmentationNode(
            pool=pool,
            context=context,
            cli_args=["--ros-args", "-r", f"__ns:=/{name}"],
            parameter_overrides=[Parameter(key, value=value) for key, value in told.items()],
        )
        for name in CAMERAS
    ]
    driver = Node("driver", context=context)
    heard: dict[str, list[Any]] = {name: [] for name in CAMERAS}
    senders: dict[str, Any] = {}
    for name in CAMERAS:
        driver.create_subscription(Image, f"/{name}/segrgbx/mask", heard[name].append, 10)
        for topic in ("rgb/image_raw", "x/image_raw"):
            senders[f"{name}/{topic}"] = driver.create_publisher(Image, f"/{name}/{topic}", 10)
    executor = SingleThreadedExecutor(context=context)
    for node in (*nodes, driver):
        executor.add_node(node)
    try:
        assert spun(executor, lambda: all(node.run is not None for node in nodes))
        assert spun(executor, lambda: all(p.get_subscription_count() for p in senders.values()))
        assert spun(
            executor,
            lambda: all(
                node.outputs is not None
                and node.outputs._publishers["mask"].get_subscription_count()
                for node in nodes
            ),
        )
        for i, name in enumerate(CAMERAS):
            stamp = START_NS + i * 10 * MS
            senders[f"{name}/x/image_raw"].publish(x_message(stamp))
            senders[f"{name}/rgb/image_raw"].publish(rgb_message(stamp, frame=name))
        assert spun(executor, lambda: all(heard.values())), heard
        assert {n: [m.header.frame_id for m in got] for n, got in heard.items()} == {
            name: [name] for name in CAMERAS
        }
        # Outputs of a node of another name are no camera's images.
        named = ((SegmentationStatus, "/seer/status"), (Image, "/seer/overlay"))
        foreign = [driver.create_publisher(kind, topic, 1) for kind, topic in named]
        assert spun(executor, lambda: all(nodes[0].count_publishers(t) for _, t in named)), foreign
        front = nodes[0].run
        assert front is not None
        assert front.inputs[0]._others("sensor_msgs/msg/Image") == [
            "/front/x/image_raw",
            "/left/rgb/image_raw",
            "/left/x/image_raw",
        ]
        models = {id(node.run._segmenter._model) for node in nodes if node.run is not None}
        assert len(models) == 1
    finally:
        executor.shutdown()
        for node in (*nodes, driver):
            node.destroy_node()
        rclpy.shutdown(context=context)


def spun(executor: Any, done: Any) -> bool:
    until = time.monotonic() + PATIENCE_S
    while not done() and time.monotonic() < until:
        executor.spin_once(timeout_sec=STEP_S)
    return bool(done())


@pytest.mark.ros
def test_the_process_makes_a_node_for_each(model: str) -> None:
    with process(model, "-p", "cameras:=front,left", "-r", "__ns:=/robot") as started:
        assert named(("/robot/front/segrgbx", "/robot/left/segrgbx")), started.poll()


@pytest.mark.ros
def test_a_wrong_name_ends_the_process_with_a_sentence(model: str) -> None:
    with process(model, "-p", "cameras:=front,front") as started:
        _, said = started.communicate(timeout=PATIENCE_S)
        assert started.returncode == 2
        assert said.startswith("segrgbx: ")
        assert "cameras has 'front' twice" in said
        assert said.strip().count("\n") == 0


@contextmanager
def process(model: str, *arguments: str) -> Iterator["subprocess.Popen[str]"]:
    """`segrgbx_node` with these ROS arguments."""
    code = "import sys; from segrgbx_ros.node.main import main; sys.exit(main(sys.argv))"
    told = ["-p", f"model:={model}", "-p", "modality:=thermal", "-p", "device:=cpu"]
    started = subprocess.Popen(
        [sys.executable, "-c", code, "--ros-args", *told, *arguments],
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        yield started
    finally:
        started.terminate()
        started.communicate(timeout=PATIENCE_S)


def named(expected: Sequence[str]) -> bool:
    """Whether nodes of these names appear within a minute."""
    import rclpy
    from rclpy.context import Context
    from rclpy.executors import SingleThreadedExecutor
    from rclpy.node import Node

    context = Context()
    rclpy.init(context=context)
    looking = Node("looking", context=context)
    executor = SingleThreadedExecutor(context=context)
    executor.add_node(looking)

    def seen() -> bool:
        names = {
            f"{space.rstrip('/')}/{n}" for n, space in looking.get_node_names_and_namespaces()
        }
        return names.issuperset(expected)

    try:
        return spun(executor, seen)
    finally:
        executor.shutdown()
        looking.destroy_node()
        rclpy.shutdown(context=context)
