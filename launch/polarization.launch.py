# SPDX-License-Identifier: Apache-2.0
"""The live node with RGB and polarization: `ros2 launch segrgbx_ros polarization.launch.py`."""

from launch import LaunchDescription

from segrgbx_ros.node.launch import node_launch


def generate_launch_description() -> LaunchDescription:
    """One process, the node; `--show-args` lists its arguments."""
    return node_launch("polarization")
