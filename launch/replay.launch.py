# SPDX-License-Identifier: Apache-2.0
"""Score the live node on a bag: `ros2 launch segrgbx_ros replay.launch.py bag:=PATH out:=DIR`."""

from segrgbx_ros.node.playback.launch import replay_launch as generate_launch_description

__all__ = ["generate_launch_description"]
