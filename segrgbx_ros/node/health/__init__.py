# SPDX-License-Identifier: Apache-2.0
"""Health of the node: facts, findings and diagnostics."""
