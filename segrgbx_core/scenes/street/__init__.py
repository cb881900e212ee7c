# SPDX-License-Identifier: Apache-2.0
"""The street: its course, objects, materials and light."""
