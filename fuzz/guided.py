# SPDX-License-Identifier: Apache-2.0
"""`python -m fuzz.guided SURFACE [libFuzzer options]`: one surface, guided by coverage.

atheris (extra `fuzz`) follows the branches that an input takes, and keeps those inputs that reach
new ones. It stops at the first finding, and writes the input beside the folder it runs in.
"""

import sys
import tempfile
from pathlib import Path

import atheris

from segrgbx_core.errors import SegRgbxError

with atheris.instrument_imports(include=["segrgbx_core", "segrgbx_ros"]):
    from fuzz.table import all_surfaces

_LIMITS = ("-timeout=10", "-rss_limit_mb=3000", "-max_len=65536")


def main(argv: list[str]) -> None:
    """Does not return: libFuzzer ends the process."""
    name, options = argv[1], argv[2:]
    surface = all_surfaces()[name]
    corpus = Path(tempfile.mkdtemp(prefix="segrgbx-corpus-"))
    for i, seed in enumerate(surface.valid()):
        (corpus / f"seed-{i}").write_bytes(seed)

    def one(data: bytes) -> None:
        try:
            surface.read(data)
        except SegRgbxError:
            return

    atheris.Setup([argv[0], *_LIMITS, *options, str(corpus)], one)
    atheris.Fuzz()


if __name__ == "__main__":
    main(sys.argv)
