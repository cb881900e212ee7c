# SPDX-License-Identifier: Apache-2.0
"""What a run leaves in a folder: figures of each frame, counts to compare and to merge."""
