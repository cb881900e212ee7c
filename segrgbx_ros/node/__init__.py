# SPDX-License-Identifier: Apache-2.0
"""The live node; all that needs rclpy is in here."""
