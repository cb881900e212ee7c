# SPDX-License-Identifier: Apache-2.0
"""What is read from disk and written to it."""
