# SPDX-License-Identifier: Apache-2.0
"""The pipeline over a recording, and its results."""
