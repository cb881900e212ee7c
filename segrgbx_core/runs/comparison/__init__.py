# SPDX-License-Identifier: Apache-2.0
"""Runs set side by side on the frames that all of them have."""
