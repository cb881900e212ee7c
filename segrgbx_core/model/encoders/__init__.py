# SPDX-License-Identifier: Apache-2.0
"""The encoders: one interface, and a file for each family."""
