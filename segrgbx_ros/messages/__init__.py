# SPDX-License-Identifier: Apache-2.0
"""ROS messages to arrays and back."""
