# SPDX-License-Identifier: Apache-2.0
"""What holds for the model over every encoder: one tester, run for the smallest of each family."""

from pathlib import Path
from typing import NamedTuple

import pytest
import torch
from torch import Tensor

from segrgbx_core.errors import InputError
from segrgbx_core.model import SegRgbX, build_model
from segrgbx_core.model.not_finite import count_not_finite, require_finite

BF16_ERROR = 0.05


class Variant(NamedTuple):
    """A preset with its settings."""

    preset: str
    shared_blocks: bool = True
    shared_embeddings: bool = False


VARIANTS = [
    Variant("b0"),
    Variant("b0", shared_blocks=False),
    Variant("b0", shared_embeddings=True),
    Variant("pvt_v2_b0"),
    Variant("pvt_v2_b0", shared_blocks=False),
]


def _build(variant: Variant) -> SegRgbX:
    if variant.preset.startswith("pvt"):
        pytest.importorskip("timm", reason="timm is not installed; it comes with the extra clip")
    torch.manual_seed(17)
    built = build_model(
        variant.preset,
        5,
        shared_blocks=variant.shared_blocks,
        head_width=16,
        shared_embeddings=variant.shared_embeddings,
    )
    # Weights large enough that every path shows in the logits.
    with torch.no_grad():
        built.head.classifier.weight.normal_(0.0, 0.1)
    return built


@pytest.fixture(scope="module", params=VARIANTS, ids=lambda v: "-".join(map(str, v)))
def model(request: pytest.FixtureRequest) -> SegRgbX:
    return _build(request.param).eval()


def _pair(batch: int, height: int, width: int) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(height * width)
    rgb, x = torch.randn(2, batch, 3, height, width, generator=generator)
    return rgb, x


@pytest.mark.parametrize("size", [(32, 64), (31, 63), (33, 65), (1, 40), (7, 5)])
def test_logits_have_the_input_size(model: SegRgbX, size: tuple[int, int]) -> None:
    rgb, x = _pair(1, *size)
    with torch.no_grad():
        logits = model(rgb, x, "thermal")
        alone = model(rgb, None)
    assert logits.shape == alone.shape == (1, 5, *size)
    assert torch.isfinite(logits).all()
    assert torch.isfinite(alone).all()


def test_a_batch_gives_each_sample_what_it_gets_alone(model: SegRgbX) -> None:
    rgb, x = _pair(3, 33, 64)
    present = torch.tensor([True, False, True])
    with torch.no_grad():
        together = model(rgb, x, ["thermal", "none", "depth"], present)
        alone = [
            model(rgb[:1], x[:1], "thermal"),
            model(rgb[1:2], None),
            model(rgb[2:], x[2:], "depth"),
        ]
    torch.testing.assert_close(together, torch.cat(alone), atol=1e-5, rtol=0.0)


def test_both_images_matter(model: SegRgbX) -> None:
    rgb, x = _pair(2, 32, 32)
    with torch.no_grad():
        logits = model(rgb[:1], x[:1], "thermal")
        assert (logits - model(rgb[1:], x[:1], "thermal")).abs().max() > 0.01
        assert (logits - model(rgb[:1], x[1:], "thermal")).abs().max() > 0.01


def test_gradients_reach_every_parameter(model: SegRgbX) -> None:
    rgb, x = _pair(2, 64, 64)
    model.train()
    model.zero_grad()
    try:
        model(rgb, x, "thermal").square().mean().backward()
    finally:
        model.eval()
    assert [n for n, p in model.named_parameters() if p.grad is None or not p.grad.any()] == []


def test_state_saved_and_loaded_is_bit_equal(model: SegRgbX, tmp_path: Path) -> None:
    torch.save(model.state_dict(), tmp_path / "state.pth")
    other = SegRgbX(model.config).eval()
    other.load_state_dict(torch.load(tmp_path / "state.pth", weights_only=True), strict=True)
    rgb, x = _pair(1, 32, 32)
    with torch.no_grad():
        assert torch.equal(other(rgb, x, "thermal"), model(rgb, x, "thermal"))


def test_values_that_are_not_numbers_show_and_are_counted(model: SegRgbX) -> None:
    rgb, x = _pair(3, 32, 32)
    rgb[0, 1, 2, 3] = float("nan")
    x[0, :, 4, 4] = float("inf")
    x[1] = float("nan")
    present = torch.tensor([True, False, True])
    with torch.no_grad():
        logits = model(rgb, x, "thermal", present)
    shown = [bool(torch.isfinite(sample).all()) for sample in logits]
    assert shown == [False, True, True]
    found = count_not_finite(rgb, x, present)
    assert (found.rgb, found.x, found.samples) == (1, 3, (0,))
    assert not count_not_finite(rgb[1:], None)
    with pytest.raises(InputError, match=r"1 in rgb and 3 in x, in samples 0 of 3; mark such"):
        require_finite(rgb, x, present)
    require_finite(rgb[1:], x[1:], present[1:])


@pytest.mark.slow
def test_forward_compiles_without_a_break(model: SegRgbX) -> None:
    rgb, x = _pair(1, 32, 64)
    compiled = torch.compile(model, fullgraph=True, backend="eager")
    with torch.no_grad():
        torch.testing.assert_close(compiled(rgb, x, "thermal"), model(rgb, x, "thermal"))


@pytest.mark.slow
def test_torch_export_round_trip(model: SegRgbX, tmp_path: Path) -> None:
    rgb, x = _pair(1, 33, 64)
    with torch.no_grad():
        torch.export.save(torch.export.export(model, (rgb, x, "thermal")), tmp_path / "m.pt2")
        again = torch.export.load(tmp_path / "m.pt2").module()
        torch.testing.assert_close(
            again(rgb, x, "thermal"), model(rgb, x, "thermal"), atol=1e-4, rtol=0.0
        )


@pytest.mark.slow
def test_onnx_round_trip(model: SegRgbX, tmp_path: Path) -> None:
    for package in ("onnx", "onnxscript", "onnxruntime"):
        pytest.importorskip(package, reason=f"{package} is not installed; pip install {package}")
    import onnxruntime

    rgb, x = _pair(1, 33, 64)
    path = tmp_path / "model.onnx"
    with torch.no_grad():
        expected = model(rgb, x, "thermal")
        torch.onnx.export(model, (rgb, x, "thermal"), path, input_names=["rgb", "x"], dynamo=True)
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    names = [entry.name for entry in session.get_inputs()]
    (found,) = session.run(None, dict(zip(names, (rgb.numpy(), x.numpy()), strict=True)))
    torch.testing.assert_close(torch.from_numpy(found), expected, atol=1e-4, rtol=0.0)


@pytest.mark.slow
def test_bfloat16_stays_near_float32(model: SegRgbX) -> None:
    """Within BF16_ERROR of the logits' spread, root mean square."""
    rgb, x = _pair(1, 32, 32)
    with torch.no_grad():
        exact = model(rgb, x, "thermal")
        with torch.autocast("cpu", dtype=torch.bfloat16):
            rough = model(rgb, x, "thermal").float()
    error = (rough - exact).square().mean().sqrt() / exact.std()
    assert 0.0 < error < BF16_ERROR
