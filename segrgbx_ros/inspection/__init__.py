# SPDX-License-Identifier: Apache-2.0
"""Inspection of a recording: its content and its problems."""
