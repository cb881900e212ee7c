# SPDX-License-Identifier: Apache-2.0
"""The subcommands, one module each: arguments, execution and output.

Slow imports are inside the functions, so that `--help` is fast.
"""
