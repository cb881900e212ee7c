# SPDX-License-Identifier: Apache-2.0
"""Scoring what a live node made of a recording."""
