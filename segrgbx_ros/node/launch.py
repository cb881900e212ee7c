# SPDX-License-Identifier: Apache-2.0
"""The launch description that the launch files of all modalities share."""

from pathlib import Path, PurePosixPath

from ament_index_python.packages import PackageNotFoundError, get_package_prefix
from launch import LaunchContext, LaunchDescription, LaunchDescriptionEntity
from launch.actions import DeclareLaunchArgument, LogInfo, OpaqueFunction
from launch.substitutions import LaunchConfiguration, PathJoinSubstitution
from launch_ros.actions import Node
from launch_ros.substitutions import FindPackageShare

from segrgbx_ros.messages.sensors import messages_of, x_topic_of

# Each overrides the parameter file if it is given.
OVERRIDES = (
    "model",
    "device",
    "backend",
    "output_size",
    "cameras",
    "rgb_transport",
    "x_transport",
    "rgb_reliability",
    "x_reliability",
    "missing_x",
)
# Names of image_transport's topics below the raw one.
COMPRESSED = ("compressed", "compressedDepth")


def node_launch(modality: str) -> LaunchDescription:
    """`ros2 launch segrgbx_ros <modality>.launch.py`."""
    return LaunchDescription(
        [*node_arguments(modality), OpaqueFunction(function=_node, args=[modality])]
    )


def show(context: LaunchContext, rgb: str, namespace: str) -> LaunchDescriptionEntity:
    """RViz with the overlay of the node in that namespace; a sentence where it is missing."""
    try:
        get_package_prefix("rviz2")
    except PackageNotFoundError:
        return LogInfo(
            msg="rviz:=true, but rviz2 is not installed here: apt install ros-$ROS_DISTRO-rviz2, "
            "or look at the overlay with another viewer. All else runs."
        )
    share = FindPackageShare("segrgbx_ros").perform(context)
    space = namespace.strip("/")
    node = f"/{space}/segrgbx" if space else "/segrgbx"
    names = ("overlay", "confidence", "cloud")
    seen = rgb if rgb.startswith("/") or not space else f"/{space}/{rgb}"
    return Node(
        package="rviz2",
        executable="rviz2",
        arguments=["-d", str(Path(share) / "config" / "rviz" / "segrgbx.rviz")],
        remappings=[
            ("/rgb/image_raw", seen),
            *((f"/segrgbx/{name}", f"{node}/{name}") for name in names),
        ],
    )


def node_arguments(modality: str) -> list[DeclareLaunchArgument]:
    """The arguments that `ros2 launch ... --show-args` lists."""
    params = PathJoinSubstitution([FindPackageShare("segrgbx_ros"), "config", f"{modality}.yaml"])
    return [
        DeclareLaunchArgument("namespace", default_value="", description="the node's namespace"),
        DeclareLaunchArgument(
            "params_file", default_value=params, description="the node's parameters (YAML)"
        ),
        DeclareLaunchArgument(
            "use_sim_time", default_value="false", description="take the time from /clock"
        ),
        DeclareLaunchArgument(
            "rgb_topic",
            default_value="rgb/image_raw",
            description="RGB images; camera_info is taken beside it",
        ),
        DeclareLaunchArgument(
            "x_topic",
            default_value=x_topic_of(modality),
            description="the second sensor's readings; camera_info is taken beside it",
        ),
        DeclareLaunchArgument(
            "model", default_value="", description="model name or folder; empty: params_file's"
        ),
        DeclareLaunchArgument(
            "device", default_value="", description="auto, cpu, cuda:N; empty: params_file's"
        ),
        DeclareLaunchArgument(
            "backend",
            default_value="",
            description="auto, eager, onnxruntime and others; empty: params_file's",
        ),
        DeclareLaunchArgument(
            "output_size",
            default_value="",
            description="image, or network: masks of the network's size; empty: params_file's",
        ),
        DeclareLaunchArgument(
            "cameras",
            default_value="",
            description="front,left: a node in each namespace, sharing one model; empty: one node",
        ),
        DeclareLaunchArgument(
            "rgb_transport", default_value="", description="raw, compressed; empty: params_file's"
        ),
        DeclareLaunchArgument(
            "rgb_reliability",
            default_value="",
            description="auto, best_effort, reliable; empty: params_file's",
        ),
        DeclareLaunchArgument(
            "x_reliability", default_value="", description="as rgb_reliability, for X"
        ),
        DeclareLaunchArgument(
            "x_transport",
            default_value="",
            description="raw, compressed, compressedDepth, points; empty: params_file's",
        ),
        DeclareLaunchArgument(
            "missing_x",
            default_value="",
            description="drop, rgb_only, hold_last; empty: params_file's",
        ),
        DeclareLaunchArgument(
            "autostart", default_value="true", description="configure and activate at once"
        ),
        DeclareLaunchArgument("log_level", default_value="info", description="of the node"),
        DeclareLaunchArgument("rviz", default_value="false", description="show it in RViz, too"),
    ]


def _node(context: LaunchContext, modality: str) -> list[LaunchDescriptionEntity]:
    def told(name: str) -> str:
        return str(LaunchConfiguration(name).perform(context))

    given = {name: told(name) for name in OVERRIDES if told(name)}
    rgb, x = told("rgb_topic"), told("x_topic")
    for name, topic in (("rgb_transport", rgb), ("x_transport", x)):
        transport = PurePosixPath(topic).name
        if transport in COMPRESSED:
            given.setdefault(name, transport)
    x_name = f"x/{messages_of(modality).topic}"
    if told("cameras"):
        _check_relative(rgb, x)
    space = "/".join(filter(None, (told("namespace"), told("cameras").split(",")[0].strip())))
    shown = [show(context, rgb, space)] if _flag(told("rviz"), "rviz") else []
    return [
        *shown,
        Node(
            package="segrgbx_ros",
            executable="segrgbx_node",
            name="segrgbx",
            namespace=told("namespace"),
            output="screen",
            parameters=[
                told("params_file"),
                {
                    "modality": modality,
                    "use_sim_time": _flag(told("use_sim_time"), "use_sim_time"),
                    "autostart": _flag(told("autostart"), "autostart"),
                    **given,
                },
            ],
            remappings=[
                ("rgb/image_raw", rgb),
                ("rgb/camera_info", _beside(rgb)),
                (x_name, x),
                ("x/points", x),
                ("x/camera_info", _beside(x)),
            ],
            ros_arguments=["--log-level", f"segrgbx:={told('log_level')}"],
        ),
    ]


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


def _flag(text: str, name: str) -> bool:
    if text.lower() not in ("true", "false"):
        raise RuntimeError(f"Launch argument {name} is '{text}'; expected true or false.")
    return text.lower() == "true"
