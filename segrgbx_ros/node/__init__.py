# SPDX-License-Identifier: Apache-2.0
"""The live node; everything that needs rclpy is in this package."""
