# SPDX-License-Identifier: Apache-2.0
"""Live overlays without a camera: `ros2 launch segrgbx_ros demo.launch.py modality:=thermal`."""

from launch import LaunchContext, LaunchDescription, LaunchDescriptionEntity
from launch.actions import (
    DeclareLaunchArgument,
    IncludeLaunchDescription,
    OpaqueFunction,
    Shutdown,
)
from launch.conditions import IfCondition
from launch.launch_description_sources import PythonLaunchDescriptionSource
from launch.substitutions import LaunchConfiguration, PathJoinSubstitution
from launch_ros.actions import Node
from launch_ros.substitutions import FindPackageShare

MODALITIES = ("event", "thermal", "depth", "polarization", "light_field")
ARGUMENTS = {
    "modality": ("thermal", "the sensor beside RGB"),
    "bag": ("", "a recording to play; made-up scenes without"),
    "model": ("", "model name or folder, of that modality; empty: the parameters' file's"),
    "device": ("", "auto, cpu, cuda:N; empty: the parameters' file's"),
    "size": ("480x360", "of made-up RGB images"),
    "rate": ("10.0", "made-up RGB images a second"),
    "seconds": ("4.0", "of made-up scenes, played again and again"),
    "rviz": ("false", "show the overlay in RViz"),
}


def generate_launch_description() -> LaunchDescription:
    """The cameras, the node and, if requested, RViz."""
    declared = [
        DeclareLaunchArgument(
            name,
            default_value=default,
            description=text,
            choices=MODALITIES if name == "modality" else None,
        )
        for name, (default, text) in ARGUMENTS.items()
    ]
    return LaunchDescription([*declared, OpaqueFunction(function=_demo)])


def _demo(context: LaunchContext) -> list[LaunchDescriptionEntity]:
    told = {name: str(LaunchConfiguration(name).perform(context)) for name in ARGUMENTS}
    share = FindPackageShare("segrgbx_ros")
    launch_file = PathJoinSubstitution([share, "launch", f"{told['modality']}.launch.py"])
    layout = PathJoinSubstitution([share, "config", "rviz", "segrgbx.rviz"])
    played = ["--bag", told["bag"]] if told["bag"] else []
    made_up = [item for name in ("size", "rate", "seconds") for item in (f"--{name}", told[name])]
    return [
        Node(
            package="segrgbx_ros",
            executable="segrgbx_play",
            output="screen",
            arguments=["--modality", told["modality"], *played, *made_up],
            on_exit=Shutdown(reason="nothing is played any more"),
        ),
        IncludeLaunchDescription(
            PythonLaunchDescriptionSource(launch_file),
            launch_arguments={
                "model": told["model"],
                "device": told["device"],
                "missing_x": "rgb_only",
            }.items(),
        ),
        Node(
            package="rviz2",
            executable="rviz2",
            arguments=["-d", layout],
            condition=IfCondition(LaunchConfiguration("rviz")),
        ),
    ]
