# SPDX-License-Identifier: Apache-2.0
"""Readings, planes, labels and masks as pictures for people."""
