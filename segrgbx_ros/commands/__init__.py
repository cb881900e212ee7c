# SPDX-License-Identifier: Apache-2.0
"""One module per subcommand. They defer heavy imports to the run."""
