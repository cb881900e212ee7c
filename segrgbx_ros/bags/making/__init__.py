# SPDX-License-Identifier: Apache-2.0
"""Recordings made from scenes and datasets: what each sensor's driver would have published."""
