# SPDX-License-Identifier: Apache-2.0
"""Labels and confidence in strips, against the probabilities written out."""

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from segrgbx_core.model import readout
from segrgbx_core.model.inputs import SIZE_MULTIPLE
from segrgbx_core.model.readout import Sizes, labels_and_confidence, probabilities


def logits_for(network: tuple[int, int], classes: int, seed: int = 0) -> Tensor:
    """Smooth logits of the head for an input of this size."""
    height, width = ((n + -n % SIZE_MULTIPLE) // 4 for n in network)
    generator = torch.Generator().manual_seed(seed)
    noise = torch.randn(1, classes, height, width, generator=generator) * 8
    smooth = F.avg_pool2d(noise, 3, 1, 1)
    return smooth.contiguous(memory_format=torch.channels_last)


@pytest.mark.parametrize(
    ("network", "image"),
    [
        ((64, 96), (64, 96)),
        ((48, 64), (120, 160)),
        ((33, 65), (33, 65)),
        ((100, 100), (37, 53)),
        ((30, 40), (1, 700)),
        ((1, 1), (5, 3)),
    ],
)
@pytest.mark.parametrize("classes", [1, 2, 11])
def test_strips_give_what_the_probabilities_give(
    network: tuple[int, int], image: tuple[int, int], classes: int
) -> None:
    logits, sizes = logits_for(network, classes), Sizes(network, image)
    labels, confidence = labels_and_confidence(logits, sizes)
    plain = probabilities(logits, sizes)[0]
    assert labels.shape == confidence.shape == plain.shape[1:] == image
    torch.testing.assert_close(confidence, plain.max(0).values, atol=1e-5, rtol=0.0)
    said = plain.gather(0, labels.long()[None])[0]
    torch.testing.assert_close(said, plain.max(0).values, atol=1e-5, rtol=0.0)


@pytest.mark.parametrize("strip_bytes", [1, 3_000, 1 << 28])
def test_the_strips_size_does_not_matter(
    monkeypatch: pytest.MonkeyPatch, strip_bytes: int
) -> None:
    sizes = Sizes((48, 64), (72, 96))
    logits = logits_for(sizes.network, 7)
    expected = labels_and_confidence(logits, sizes)
    monkeypatch.setitem(readout._STRIP_BYTES, "cpu", strip_bytes)
    labels, confidence = labels_and_confidence(logits, sizes)
    assert (labels != expected[0]).float().mean() < 1e-3
    torch.testing.assert_close(confidence, expected[1], atol=1e-5, rtol=0.0)


def test_of_equal_classes_the_first_is_said_with_its_share() -> None:
    logits = torch.zeros(1, 4, 8, 8)
    logits[:, 0] = -50.0
    labels, confidence = labels_and_confidence(logits, Sizes((32, 32), (32, 32)))
    assert (labels == 1).all()
    torch.testing.assert_close(confidence, torch.full((32, 32), 1 / 3))


def test_probabilities_are_the_softmax_of_enlarged_logits() -> None:
    sizes = Sizes((30, 40), (60, 80))
    logits = logits_for(sizes.network, 3)
    plain = probabilities(logits, sizes)
    torch.testing.assert_close(plain.sum(1), torch.ones(1, 60, 80))
    # A constant map stays constant: padding is cut away, and weights sum to one.
    flat = torch.tensor([0.0, 1.0, 2.0])[None, :, None, None].expand_as(logits)
    expected = torch.tensor([0.0, 1.0, 2.0]).softmax(0)
    for row, column in ((0, 0), (59, 79)):
        torch.testing.assert_close(probabilities(flat, sizes)[0, :, row, column], expected)
