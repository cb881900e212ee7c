# SPDX-License-Identifier: Apache-2.0
"""How cameras image the street."""
