# SPDX-License-Identifier: Apache-2.0
"""Playing a recording to the live node as it was recorded, and recording what it makes of it."""
