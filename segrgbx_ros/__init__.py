# SPDX-License-Identifier: Apache-2.0
"""RGB-X semantic segmentation on ROS 2 messages: recordings, pairing and the live node."""
