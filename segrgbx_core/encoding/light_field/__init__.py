# SPDX-License-Identifier: Apache-2.0
"""Encode light fields as planes."""
