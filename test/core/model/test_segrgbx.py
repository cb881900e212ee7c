# SPDX-License-Identifier: Apache-2.0
"""The assembled model: sizes, absent X, any input size, gradients, compilation."""

import pytest
import torch
from torch import Tensor

from segrgbx_core.errors import InputError, ModelError
from segrgbx_core.model import SegRgbX, build_model


@pytest.fixture(scope="module")
def model() -> SegRgbX:
    torch.manual_seed(11)
    built = build_model("b0", num_classes=6, head_width=32).eval()
    # Weights large enough for every path to affect the logits.
    with torch.no_grad():
        built.head.classifier.weight.normal_(0.0, 0.1)
    return built


def _pair(batch: int, height: int, width: int) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(height * width)
    rgb, x = torch.randn(2, batch, 3, height, width, generator=generator)
    return rgb, x


def _millions(preset: str, classes: int, shared: bool) -> float:
    with torch.device("meta"):
        built = build_model(preset, classes, shared_blocks=shared)
    return sum(p.numel() for p in built.parameters()) / 1e6


@pytest.mark.parametrize(
    ("preset", "classes", "expected"), [("b2", 25, 66.573), ("b4", 40, 139.87), ("b5", 40, 181.1)]
)
def test_unshared_model_has_the_published_size_of_cmx(
    preset: str, classes: int, expected: float
) -> None:
    tolerance = 0.05 if preset == "b5" else 0.01
    assert _millions(preset, classes, shared=False) == pytest.approx(expected, abs=tolerance)


def test_shared_blocks_save_a_third() -> None:
    assert _millions("b2", 40, shared=True) == pytest.approx(44.3, abs=0.05)


def test_memory_order_does_not_change_the_result(model: SegRgbX) -> None:
    rgb, x = _pair(2, 64, 96)
    with torch.no_grad():
        plain = model(rgb, x, "thermal")
        last = model(
            rgb.contiguous(memory_format=torch.channels_last),
            x.contiguous(memory_format=torch.channels_last),
            "thermal",
        )
    torch.testing.assert_close(plain, last, atol=1e-4, rtol=1e-4)


def test_a_few_steps_from_scratch_learn_a_tiny_task() -> None:
    torch.manual_seed(4)
    built = build_model("b0", 2, head_width=64)
    rgb, x = torch.randn(2, 2, 3, 64, 64) * 0.1
    truth = torch.zeros(2, 64, 64, dtype=torch.long)
    truth[:, 16:48, 32:] = 1
    x[:, :, 16:48, 32:] += 2.0
    optimizer = torch.optim.AdamW(built.parameters(), lr=3e-3)
    losses = []
    for _ in range(10):
        loss = torch.nn.functional.cross_entropy(built(rgb, x, "thermal"), truth)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[0] < 1.0
    assert losses[-1] < 0.5 * losses[0]


def test_same_seed_same_weights() -> None:
    built = []
    for _ in range(2):
        torch.manual_seed(9)
        built.append(build_model("b0", 3, head_width=8).state_dict())
    assert all(torch.equal(value, built[1][key]) for key, value in built[0].items())


def test_wrong_settings_are_refused_in_words() -> None:
    with pytest.raises(ModelError, match=r"'huge' is unknown; .*b0"):
        build_model("huge")
    with pytest.raises(ModelError, match=r"0 classes; .*1 to 255"):
        build_model("b0", num_classes=0)
    with pytest.raises(ModelError, match=r"width is 0; .*1 or more"):
        build_model("b0", head_width=0)


def test_wrong_inputs_are_refused_in_words(model: SegRgbX) -> None:
    rgb, x = _pair(2, 32, 32)
    with pytest.raises(InputError, match=r"rgb .*\(3, 32, 32\); .*\(batch, 3"):
        model(rgb[0], None)
    with pytest.raises(InputError, match=r"x has shape .*both the same"):
        model(rgb, x[:, :, :16])
    with pytest.raises(InputError, match=r"present .*expected \(2,\)"):
        model(rgb, x, "thermal", torch.tensor([True]))
    with pytest.raises(InputError, match=r"3 modality names .*2 samples"):
        model(rgb, x, ["thermal"] * 3)
    with pytest.raises(InputError, match=r"'sonar' is unknown; .*none or .*event"):
        model(rgb, x, "sonar")
