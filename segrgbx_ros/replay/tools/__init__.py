# SPDX-License-Identifier: Apache-2.0
"""What a replay writes for other tools: Foxglove, RViz, Rerun, players of video."""
