# SPDX-License-Identifier: Apache-2.0
"""The evidence for docs/results.md: a plan of trainings, its runner, and the page generator."""
