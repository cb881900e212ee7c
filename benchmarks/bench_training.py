# SPDX-License-Identifier: Apache-2.0
"""A training step on one core: memory format and the loss's layout, before and now.

Each case is forward, loss, backward and update for 8 pairs of 192x256 and 40 classes. "Before" has
contiguous images and weights and the cross entropy along channels; "now" is as `segrgbx train`
computes it for sources of one label set. Loss and gradients of both are compared first. The last
section reads and augments a batch of rendered depth streets, which a worker can do beside the step
(`--workers`).
"""

import argparse
import os
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor

from segrgbx_core.bench.measuring import Case, CaseTimes, environment, show, timed, write
from segrgbx_core.datasets import FolderDataset, render_stills
from segrgbx_core.errors import SegRgbxError
from segrgbx_core.labels.label_set import UNLABELLED
from segrgbx_core.model import SegRgbX, build_model
from segrgbx_core.model.preprocessing import Preprocessing
from segrgbx_core.model.presets import COMPONENTS
from segrgbx_core.scenes import DriveSettings
from segrgbx_core.training.augment import TrainingBatches
from segrgbx_core.training.mixture import Mixture
from segrgbx_core.training.recipe import Augment

BATCH, HEIGHT, WIDTH, CLASSES = 8, 192, 256, 40
MODELS = (("b0", ()), ("efficientnet_lite0", ()), ("efficientnet_lite0", COMPONENTS))


@dataclass(frozen=True)
class Step:
    """A step of one model; `rows` is the layout that trainings use now."""

    model: SegRgbX
    images: tuple[Tensor, Tensor]
    labels: Tensor
    optimiser: torch.optim.Optimizer
    rows: bool

    def loss(self) -> Tensor:
        """The loss with its gradients."""
        self.optimiser.zero_grad(set_to_none=True)
        logits, labels = self.model(*self.images, "depth"), self.labels
        if self.rows:
            logits = logits.permute(0, 2, 3, 1).reshape(-1, CLASSES)
            labels = labels.reshape(-1)
        loss = F.cross_entropy(logits, labels, ignore_index=UNLABELLED)
        loss.backward()  # type: ignore[no-untyped-call]
        return loss

    def run(self) -> None:
        """The whole step."""
        self.loss()
        self.optimiser.step()


def step_of(preset: str, components: tuple[str, ...], now: bool) -> Step:
    """A step from fixed weights and images, without random dropping, so that both are equal."""
    torch.manual_seed(1)
    model = build_model(preset, CLASSES, components, head_width=192).train()
    for module in model.modules():
        if "Drop" in type(module).__name__:
            module.eval()
    rgb, x = torch.randn(2, BATCH, 3, HEIGHT, WIDTH)
    labels = torch.randint(0, CLASSES, (BATCH, HEIGHT, WIDTH))
    if now:
        kind = torch.channels_last
        model, rgb, x = (
            model.to(memory_format=kind),
            rgb.to(memory_format=kind),
            x.to(memory_format=kind),
        )
    return Step(model, (rgb, x), labels, torch.optim.AdamW(model.parameters(), 1e-6), now)


def steps_of(preset: str, components: tuple[str, ...]) -> list[Case]:
    """Both cases of a model. Raises SegRgbxError if their losses differ."""
    before, now = (step_of(preset, components, kind) for kind in (False, True))
    losses = [float(step.loss().detach()) for step in (before, now)]
    norms = [
        float(
            torch.stack([p.grad.norm() for p in s.model.parameters() if p.grad is not None]).norm()
        )
        for s in (before, now)
    ]
    for values in (losses, norms):
        if abs(values[0] - values[1]) > 1e-3 * abs(values[0]):
            raise SegRgbxError(
                f"{preset}: {values[0]} before and {values[1]} now; expected equal."
            )
    return [Case("before", before.run), Case("now", now.run)]


def loading(folder: Path) -> list[Case]:
    """Batches of streets, as they are and with a depth camera's faults."""
    render_stills(folder, DriveSettings("depth", width=400, height=300), 8)
    data, cases = FolderDataset(folder), []
    for name, share in (("a batch", 0.0), ("with a depth camera's faults", 1.0)):
        augment = Augment(crop=(HEIGHT, WIDTH), x_raw=share)
        mixture = Mixture([len(data)], [data.modality], [1.0], 1)
        batches = TrainingBatches([data], mixture, augment, Preprocessing(), 1)
        cases.append(Case(name, lambda batches=batches: batches.batch(0, BATCH)))  # type: ignore[misc]
    return cases


def main() -> None:
    """Measures and shows the cases; --json also writes them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=10, help="counted rounds (default 10)")
    parser.add_argument("--json", type=Path, help="write all figures to this file")
    options = parser.parse_args()
    os.environ["OMP_NUM_THREADS"] = "1"
    torch.set_num_threads(1)
    before = environment(("torch", "timm", "numpy"))
    timings: dict[str, list[CaseTimes]] = {}
    for preset, components in MODELS:
        title = f"{preset}, {'all parts' if components else 'without parts'}"
        timings[title] = timed(steps_of(preset, components), options.rounds)
        show(title, timings[title])
        for timing in timings[title]:
            rate = BATCH / timing.cpu_ms * 1e3
            sys.stdout.write(f"{timing.name}: {rate:.1f} pairs a second of CPU time\n")
    with tempfile.TemporaryDirectory() as folder:
        timings["loading"] = timed(loading(Path(folder)), options.rounds)
    show("loading", timings["loading"])
    after = environment(())["load"]
    sys.stdout.write(", ".join(f"{k} {v}" for k, v in before.items()) + f"; load after {after}\n")
    if options.json is not None:
        write(options.json, {**before, "load_after": after}, timings)


if __name__ == "__main__":
    main()
