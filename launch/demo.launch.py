# SPDX-License-Identifier: Apache-2.0
"""Live overlays without a camera: `ros2 launch segrgbx_ros demo.launch.py modality:=thermal`."""

from launch import LaunchContext, LaunchDescription, LaunchDescriptionEntity
from launch.actions import (
    IncludeLaunchDescription,
    OpaqueFunction,
    RegisterEventHandler,
    Shutdown,
)
from launch.event_handlers import OnProcessIO
from launch.launch_description_sources import PythonLaunchDescriptionSource
from launch.substitutions import LaunchConfiguration, PathJoinSubstitution
from launch_ros.actions import Node
from launch_ros.substitutions import FindPackageShare

from segrgbx_ros.node.launch import Once, declared

ARGUMENTS = {
    "modality": ("thermal", "the sensor beside RGB"),
    "bag": ("", "a recording to play; made-up scenes without"),
    "model": ("", "model name or folder, of that modality; empty: the parameters' file's"),
    "device": ("", "auto, cpu, cuda:N; empty: the parameters' file's"),
    "size": ("480x360", "of made-up RGB images"),
    "rate": ("10.0", "made-up RGB images a second"),
    "seconds": ("2.0", "of made-up scenes, played again and again"),
    "rviz": ("false", "show the overlay in RViz, too"),
}


def generate_launch_description() -> LaunchDescription:
    """The cameras, the node and, if requested, RViz."""
    return LaunchDescription([*declared(ARGUMENTS), OpaqueFunction(function=_demo)])


def _demo(context: LaunchContext) -> list[LaunchDescriptionEntity]:
    told = {name: str(LaunchConfiguration(name).perform(context)) for name in ARGUMENTS}
    share = FindPackageShare("segrgbx_ros")
    launch_file = PathJoinSubstitution([share, "launch", f"{told['modality']}.launch.py"])
    played = ["--bag", told["bag"]] if told["bag"] else []
    made_up = [item for name in ("size", "rate", "seconds") for item in (f"--{name}", told[name])]
    player = Node(
        package="segrgbx_ros",
        executable="segrgbx_play",
        output="screen",
        arguments=["--modality", told["modality"], *played, *made_up],
        on_exit=Shutdown(reason="nothing is played any more"),
    )
    node = IncludeLaunchDescription(
        PythonLaunchDescriptionSource(launch_file),
        launch_arguments={
            "model": told["model"],
            "device": told["device"],
            "missing_x": "rgb_only",
            "rviz": told["rviz"],
        }.items(),
    )
    # Before the frames flow it would only complain of silent topics.
    begun = OnProcessIO(target_action=player, on_stderr=Once("Playing", [node]))
    return [player, RegisterEventHandler(begun)]
