# SPDX-License-Identifier: Apache-2.0
"""Segment a recorded bag: `ros2 launch segrgbx_ros replay.launch.py bag:=PATH out:=DIR`."""

from launch import LaunchDescription
from launch.actions import DeclareLaunchArgument, ExecuteProcess
from launch.substitutions import LaunchConfiguration
from launch_ros.substitutions import ExecutableInPackage


def generate_launch_description() -> LaunchDescription:
    """One process, `segrgbx replay`, which ends with the bag."""
    return LaunchDescription(
        [
            DeclareLaunchArgument("bag", description="the bag to segment (sqlite3 or MCAP)"),
            DeclareLaunchArgument("out", description="folder for masks, summary and report"),
            DeclareLaunchArgument(
                "modality", default_value="thermal", description="sensor beside RGB"
            ),
            DeclareLaunchArgument(
                "model", default_value="demo", description="model name or model folder"
            ),
            ExecuteProcess(
                name="segrgbx_replay",
                output="screen",
                cmd=[
                    ExecutableInPackage(package="segrgbx_ros", executable="segrgbx"),
                    "replay",
                    LaunchConfiguration("bag"),
                    "--modality",
                    LaunchConfiguration("modality"),
                    "--model",
                    LaunchConfiguration("model"),
                    "--out",
                    LaunchConfiguration("out"),
                ],
            ),
        ]
    )
