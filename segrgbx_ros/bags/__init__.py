# SPDX-License-Identifier: Apache-2.0
"""Reading and writing recordings, and finding their topics and cameras."""
