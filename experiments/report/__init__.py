# SPDX-License-Identifier: Apache-2.0
"""The pages written from results.json: sections, tables, charts and sentences."""
