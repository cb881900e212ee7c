# SPDX-License-Identifier: Apache-2.0
"""The launch description that the launch files of all modalities share."""

import re
from collections.abc import Mapping
from math import isfinite
from pathlib import Path, PurePosixPath

from ament_index_python.packages import PackageNotFoundError, get_package_prefix
from launch import LaunchContext, LaunchDescription, LaunchDescriptionEntity
from launch.actions import DeclareLaunchArgument, LogInfo, OpaqueFunction
from launch.events.process import ProcessIO
from launch.substitutions import LaunchConfiguration, PathJoinSubstitution
from launch_ros.actions import Node
from launch_ros.parameter_descriptions import Parameter
from launch_ros.substitutions import FindPackageShare

from segrgbx_core.errors import SegRgbxError
from segrgbx_core.modality import MODALITIES
from segrgbx_core.wording import printable
from segrgbx_ros.messages.sensors import messages_of, x_topic_of
from segrgbx_ros.node.parameters.presets import (
    COMPRESSED,
    CameraPreset,
    Value,
    preset_for,
    transport_of,
)

RGB_TOPIC = "rgb/image_raw"
# Launch arguments that are parameters; each overrides preset and parameter file if it is given.
TEXTS = {
    "model": "model name or folder",
    "label_set": "the label set to answer in, for a model over several",
    "device": "auto, cpu, cuda:N",
    "scheduling": "latest: the newest pair wins; all: every pair in order",
    "backend": "auto, eager, onnxruntime and others",
    "output_size": "image, or network: masks of the network's size",
    "cameras": "front,left: a node in each namespace, sharing one model",
    "rgb_transport": "raw, compressed",
    "x_transport": "raw, compressed, compressedDepth, points",
    "rgb_reliability": "auto, best_effort, reliable",
    "x_reliability": "as rgb_reliability, for X",
    "missing_x": "drop, rgb_only, hold_last",
}
# Numbers by launch argument: the parameter, and what it is.
NUMBERS = {
    "slop": ("sync.slop", "s; largest distance of the stamps of a pair"),
    "x_time_offset": ("sync.x_time_offset", "s; RGB's clock minus X's clock"),
    "x_timeout": ("sync.x_timeout", "s; how long an RGB image waits for its X"),
}
_NODE_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


def node_launch(modality: str) -> LaunchDescription:
    """`ros2 launch segrgbx_ros <modality>.launch.py`."""
    return LaunchDescription(
        [*node_arguments(modality), OpaqueFunction(function=node_actions, args=[modality])]
    )


def node_arguments(modality: str) -> list[DeclareLaunchArgument]:
    """The arguments that `ros2 launch ... --show-args` lists."""
    file = PathJoinSubstitution([FindPackageShare("segrgbx_ros"), "config", f"{modality}.yaml"])
    params = DeclareLaunchArgument(
        "params_file", default_value=file, description="the node's parameters (YAML)"
    )
    of_launch = {
        "camera": ("", "camera preset: a name of config/cameras, or a file; over params_file"),
        "namespace": ("", "the node's namespace"),
        "node_name": ("segrgbx", "the node's name; its topics are below it"),
        "use_sim_time": ("false", "take the time from /clock"),
        "rgb_topic": (
            "",
            f"RGB images, camera_info beside it; empty: the preset's, otherwise {RGB_TOPIC}",
        ),
        "x_topic": (
            "",
            "the second sensor's readings, camera_info beside it; empty: the preset's, "
            f"otherwise {x_topic_of(modality)}",
        ),
        "autostart": ("true", "configure and activate at once"),
        "log_level": ("info", "of the node"),
        "rviz": ("false", "show RGB, overlay and confidence in RViz, too"),
    }
    parameters = {**TEXTS, **{name: text for name, (_, text) in NUMBERS.items()}}
    described = {
        **of_launch,
        **{n: ("", f"{t}; empty: the preset's or params_file's") for n, t in parameters.items()},
    }
    return [
        params,
        *(
            DeclareLaunchArgument(name, default_value=default, description=text)
            for name, (default, text) in described.items()
        ),
    ]


def declared(arguments: Mapping[str, tuple[str | None, str]]) -> list[DeclareLaunchArgument]:
    """Launch arguments by name, with default (None: it must be given) and text."""
    return [
        DeclareLaunchArgument(
            name,
            default_value=default,
            description=text,
            choices=list(MODALITIES) if name == "modality" else None,
        )
        for name, (default, text) in arguments.items()
    ]


def node_actions(
    context: LaunchContext, modality: str, more: Mapping[str, Value] | None = None
) -> list[LaunchDescriptionEntity]:
    """What the arguments ask for, the node last; more: further parameters, by name.

    Without a params_file the node has its own defaults. Raises RuntimeError for bad arguments.
    """

    def told(name: str) -> str:
        return str(LaunchConfiguration(name).perform(context))

    path = told("params_file")
    file = [_parameter_file(path)] if path else []
    preset = _preset(told("camera"), modality)
    rgb = told("rgb_topic") or (preset.rgb_topic if preset else "") or RGB_TOPIC
    x = told("x_topic") or (preset.x_topic if preset else "") or x_topic_of(modality)
    if told("cameras"):
        _check_relative(rgb, x)
    values = {
        **(preset.parameters if preset else {}),
        "modality": modality,
        "use_sim_time": flag(told("use_sim_time"), "use_sim_time"),
        "autostart": flag(told("autostart"), "autostart"),
        **_given({name: told(name) for name in (*TEXTS, *NUMBERS)}, rgb, x),
        **(more or {}),
    }
    name, space = _node_name(told("node_name")), told("namespace")
    node = Node(
        package="segrgbx_ros",
        executable="segrgbx_node",
        name=name,
        namespace=space,
        output="screen",
        parameters=[*file, *_parameters(values)],
        remappings=_remappings(modality, rgb, x),
        ros_arguments=_log_levels(told("log_level"), space, told("cameras"), name),
    )
    said = [] if preset is None else [LogInfo(msg=_in_words(preset, rgb, x))]
    if flag(told("rviz"), "rviz"):
        first = told("cameras").split(",")[0].strip()
        said.append(_rviz(context, rgb, "/".join(filter(None, (space.strip("/"), first))), name))
    return [*said, node]


class Once:
    """Gives the actions when a process first says these words."""

    def __init__(self, words: str, actions: list[LaunchDescriptionEntity]) -> None:
        self._words, self._actions = words, actions

    def __call__(self, event: ProcessIO) -> list[LaunchDescriptionEntity]:
        if self._words not in event.text.decode(errors="replace"):
            return []
        given, self._actions = self._actions, []
        return given


def _rviz(context: LaunchContext, rgb: str, namespace: str, name: str) -> LaunchDescriptionEntity:
    """RViz on the node of that name in that namespace; a sentence where it is missing."""
    try:
        get_package_prefix("rviz2")
    except PackageNotFoundError:
        return LogInfo(
            msg="rviz:=true, but rviz2 is not installed here: apt install ros-$ROS_DISTRO-rviz2, "
            "or look at the overlay with another viewer. All else runs."
        )
    share = FindPackageShare("segrgbx_ros").perform(context)
    space = f"/{namespace}" if namespace else ""
    return Node(
        package="rviz2",
        executable="rviz2",
        arguments=["-d", str(Path(share) / "config" / "rviz" / "segrgbx.rviz")],
        remappings=[
            ("/rgb/image_raw", rgb if rgb.startswith("/") else f"{space}/{rgb}"),
            *(
                (f"/segrgbx/{output}", f"{space}/{name}/{output}")
                for output in ("overlay", "confidence", "cloud")
            ),
        ],
    )


def _preset(name: str, modality: str) -> CameraPreset | None:
    if not name:
        return None
    try:
        return preset_for(name, modality)
    except SegRgbxError as err:
        raise RuntimeError(printable(str(err))) from err


def _parameter_file(path: str) -> str:
    # launch_ros warns, and starts the node with the defaults of each parameter.
    if not Path(path).is_file():
        raise RuntimeError(
            f"Launch argument params_file is '{printable(path)}', which is no file; leave it out "
            "for that of the package."
        )
    return path


def _in_words(preset: CameraPreset, rgb: str, x: str) -> str:
    rate = "" if preset.rate_hz is None else f" at about {preset.rate_hz:g} Hz"
    return printable(
        f"Camera preset: {preset.camera}, {preset.sends}{rate}; RGB on {rgb}, X on {x}"
    )


def _given(told: Mapping[str, str], rgb: str, x: str) -> dict[str, Value]:
    """The parameters that launch arguments set, and the transports that topics are named after."""
    given: dict[str, Value] = {name: told[name] for name in TEXTS if told[name]}
    for name, (parameter, _) in NUMBERS.items():
        if told[name]:
            given[parameter] = _number(told[name], name)
    for name, topic in (("rgb_transport", rgb), ("x_transport", x)):
        transport = transport_of(topic)
        if transport in COMPRESSED:
            given.setdefault(name, transport)
    return given


def _parameters(values: Mapping[str, Value]) -> list[Parameter | dict[str, object]]:
    """The values for launch_ros, to win over those of a file.

    launch_ros addresses a mapping to the name of its node. That wins over a file's entry for this
    node, but no node has this name with cameras, so each value is given for all nodes as well.
    """
    plain = {name: list(v) if isinstance(v, tuple) else v for name, v in values.items()}
    return [*(Parameter(name, value) for name, value in plain.items()), {**plain}]


def _remappings(modality: str, rgb: str, x: str) -> list[tuple[str, str]]:
    return [
        (RGB_TOPIC, rgb),
        ("rgb/camera_info", _beside(rgb)),
        (f"x/{messages_of(modality).topic}", x),
        ("x/points", x),
        ("x/camera_info", _beside(x)),
    ]


def _log_levels(level: str, namespace: str, cameras: str, name: str) -> list[str]:
    """The level for the loggers of all nodes, which are named after their namespaces."""
    space = [part for part in namespace.split("/") if part]
    arguments: list[str] = []
    for camera in (part.strip() for part in cameras.split(",")):
        logger = ".".join([*space, *([camera] if camera else []), name])
        arguments += ["--log-level", f"{logger}:={level}"]
    return arguments


def _beside(topic: str) -> str:
    """The topic camera_info in the same namespace, as in image_transport."""
    path = PurePosixPath(topic)
    return str((path.parent if path.name in COMPRESSED else path).with_name("camera_info"))


def _check_relative(*topics: str) -> None:
    for topic in topics:
        if topic.startswith("/"):
            raise RuntimeError(
                f"With cameras, each reads the topic in its own namespace, but {topic} is one for "
                "all; give it without the leading slash."
            )


def _node_name(text: str) -> str:
    if _NODE_NAME.fullmatch(text) is None:
        raise RuntimeError(
            f"Launch argument node_name is '{printable(text)}'; expected letters, digits and "
            "underscores, no digit first, such as segrgbx_front."
        )
    return text


def _number(text: str, name: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = float("nan")
    if not isfinite(number):
        raise RuntimeError(
            f"Launch argument {name} is '{printable(text)}'; expected a number of seconds, such "
            "as 0.05."
        )
    return number


def flag(text: str, name: str) -> bool:
    """The launch argument as a bool. Raises RuntimeError for other text than true and false."""
    if text.lower() not in ("true", "false"):
        raise RuntimeError(
            f"Launch argument {name} is '{printable(text)}'; expected true or false."
        )
    return text.lower() == "true"
