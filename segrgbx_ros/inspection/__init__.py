# SPDX-License-Identifier: Apache-2.0
"""What is in a recording, and what is wrong with it."""
