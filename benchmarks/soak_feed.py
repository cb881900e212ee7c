# SPDX-License-Identifier: Apache-2.0
"""Images at a steady rate into the offline pipeline, and what a fault does to the stream."""

import random
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from segrgbx_core import Segmenter
from segrgbx_core.labels.label_set import load_label_set
from segrgbx_core.model import build_model
from segrgbx_core.scenes import Drive, DriveSettings, RgbCapture
from segrgbx_core.weights.card import ModelCard
from segrgbx_core.weights.store import save_model
from segrgbx_ros.messages.images import ImageMessage, image_message
from segrgbx_ros.messages.types import header, typestore
from segrgbx_ros.pairing.matching import Match, Matching, SyncSettings
from segrgbx_ros.pipeline import Pipeline, pictures_of

NS_PER_S = 1_000_000_000
BEGIN_NS = 1_700_000_000 * NS_PER_S
SIZE = (160, 120)
TINY = "tiny"


def recorded_pairs(
    rate_hz: float, seconds: float = 1.0
) -> list[tuple[ImageMessage, ImageMessage]]:
    """RGB and thermal messages of a short synthetic drive, to be repeated."""
    drive = Drive(
        DriveSettings("thermal", seconds, rate_hz, *SIZE, seed=3, conditions=("day", "night"))
    )
    rgb, x = [], []
    for capture in drive.captures():
        stamped = header(capture.stamp_ns, "camera")
        if isinstance(capture, RgbCapture):
            rgb.append(image_message(capture.image, "rgb8", stamped))
        else:
            x.append(image_message(capture.reading, "mono16", stamped))
    return list(zip(rgb, x, strict=False))


def small_model(told: str, below: Path) -> str:
    """The model, or for "tiny" the folder of the smallest one, without training, made there."""
    if told != TINY:
        return told
    torch.manual_seed(0)
    labels = load_label_set("street")
    network = build_model("b0", len(labels), head_width=16)
    save_model(below, network, ModelCard(TINY, "untrained", network.config, ("thermal",), labels))
    return str(below)


@dataclass(frozen=True)
class Step:
    """What the cameras send at one period. shift_s: added to both stamps. repeat: how many of
    these pairs come at once. frozen: the same pixels as before; still: the same stamp, too."""

    rgb: bool = True
    x: bool = True
    shift_s: float = 0.0
    repeat: int = 1
    frozen: bool = False
    still: bool = False


Plan = Callable[[int], Step]
"""From the number of the period since the fault began to what is sent in it."""

_CHANCE = random.Random(0)
PLANS: dict[str, tuple[str, Plan]] = {
    "clock jumps back 10 s": ("both stamps, for good", lambda _: Step(shift_s=-10.0)),
    "clock jumps ahead 10 s": ("both stamps, and back at the end", lambda _: Step(shift_s=10.0)),
    "bursts": ("nothing for 9 periods, then 10 pairs", lambda k: _burst(k)),
    "30 % random loss": (
        "of each camera's messages",
        lambda _: Step(rgb=_CHANCE.random() > 0.3, x=_CHANCE.random() > 0.3),
    ),
    "frozen frames": ("the same pixels with new stamps", lambda _: Step(frozen=True)),
    "frozen stamps": ("the same message again and again", lambda _: Step(still=True)),
    "X dies and returns": ("no X", lambda _: Step(x=False)),
    "RGB dies and returns": ("no RGB", lambda _: Step(rgb=False)),
}


def _burst(k: int) -> Step:
    return Step(repeat=10) if k % 10 == 9 else Step(rgb=False, x=False)


class Feed:
    """The offline pipeline behind the pairing of the live node. with_x: masks that used an X."""

    def __init__(
        self,
        model: str,
        pairs: Sequence[tuple[ImageMessage, ImageMessage]],
        rate_hz: float,
        missing_x: str = "drop",
    ) -> None:
        torch.set_num_threads(1)
        self._pairs, self._period_ns = pairs, round(NS_PER_S / rate_hz)
        self._segmenter = Segmenter(model, "cpu", backend="eager")
        self._pipeline = Pipeline(self._segmenter, "thermal", "rgb", "x")
        sync = SyncSettings(x_timeout_s=0.1, missing_x=missing_x)  # type: ignore[arg-type]
        self._matching: Matching[ImageMessage, ImageMessage] = Matching(
            "thermal", False, sync, self._segment
        )
        self.masks = self.with_x = self.sent = self._repeated = 0

    def send(self, number: int, step: Step = Step()) -> int:
        """Sends what one period brings; returns how many masks came of it."""
        before = self.masks
        now = BEGIN_NS + number * self._period_ns
        for inner in range(step.repeat):
            at = 0 if step.frozen or step.still else (number + inner) % len(self._pairs)
            back = (step.repeat - 1 - inner) * self._period_ns
            stamp = now - back + round(step.shift_s * NS_PER_S)
            if step.still:
                stamp = self._repeated = self._repeated or stamp
            rgb, x = self._pairs[at]
            if step.x:
                self._matching.add_x(stamp, x, now)
            if step.rgb:
                self.sent += 1
                self._matching.add_rgb(stamp, rgb, now)
        self._matching.tick(now + self._period_ns // 2)
        return self.masks - before

    def lost(self) -> dict[str, int]:
        """RGB images without a mask, by reason."""
        lost = Counter(self._matching.rgb_dropped)
        lost.update(self._pipeline.refusals.counts)
        return {reason: n for reason, n in sorted(lost.items()) if n}

    def _segment(self, match: Match[ImageMessage, ImageMessage]) -> None:
        done = self._pipeline.process(match.pair)
        if done is None:
            return
        mask = image_message(pictures_of(done).mask, "mono8", match.pair.rgb.header)
        typestore().serialize_cdr(mask, mask.__msgtype__)
        self.masks += 1
        self.with_x += done.x_used
