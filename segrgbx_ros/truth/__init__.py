# SPDX-License-Identifier: Apache-2.0
"""Ground truth and conditions of a recording, from its topics or from files."""
