# SPDX-License-Identifier: Apache-2.0
"""How long `ros2 launch segrgbx_ros demo.launch.py` takes to its first overlay."""

import os
import signal
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from sensor_msgs.msg import Image

from benchmarks.node_process import Bench
from segrgbx_core.modality import MODALITIES

PATIENCE_S = 300.0


@dataclass(frozen=True)
class DemoStart:
    """first_s, again_s: seconds from the launch to the overlay's arrival, with scenes to be made,
    and with those that were kept. errors: error lines that were said until then."""

    modality: str
    first_s: float
    again_s: float
    errors: int


def demo_starts() -> list[DemoStart]:
    """Each sensor in turn, in a cache of its own."""
    return [_starts(modality) for modality in MODALITIES]


def _starts(modality: str) -> DemoStart:
    with TemporaryDirectory() as folder:
        first, said = _until_overlay(modality, Path(folder))
        again, said_again = _until_overlay(modality, Path(folder))
    errors = (said + said_again).count("[ERROR]")
    return DemoStart(modality, round(first, 1), round(again, 1), errors)


def _until_overlay(modality: str, folder: Path) -> tuple[float, str]:
    bench = Bench()
    came: list[Image] = []
    bench.node.create_subscription(Image, "segrgbx/overlay", came.append, 1)
    log = folder / "said"
    command = ["ros2", "launch", "segrgbx_ros", "demo.launch.py", f"modality:={modality}"]
    with log.open("wb") as out:
        start = time.monotonic()
        demo = subprocess.Popen(
            command,
            stdout=out,
            stderr=subprocess.STDOUT,
            env={**os.environ, "SEGRGBX_CACHE": str(folder / "cache")},
        )
    try:
        seen = bench.spin_until(lambda: bool(came) or demo.poll() is not None, PATIENCE_S)
        took, said = time.monotonic() - start, log.read_text("utf-8", "replace")
        if not seen or not came:
            raise SystemExit(f"The demo of {modality} showed nothing:\n{said}")
    finally:
        _end(demo)
        bench.close()
    return took, said


def _end(demo: subprocess.Popen[bytes]) -> None:
    if demo.poll() is not None:
        return
    demo.send_signal(signal.SIGINT)
    try:
        demo.wait(30)
    except subprocess.TimeoutExpired:
        demo.kill()
