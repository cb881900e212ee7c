# SPDX-License-Identifier: Apache-2.0
"""Replays of many recordings at once, on one machine or a cluster, and their sums."""
