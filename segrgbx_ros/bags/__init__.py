# SPDX-License-Identifier: Apache-2.0
"""Recordings: read, written, and looked through for topics and cameras."""
