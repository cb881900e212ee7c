# SPDX-License-Identifier: Apache-2.0
"""One file a subcommand: its arguments, its run, its words. Heavy imports wait for the run."""
