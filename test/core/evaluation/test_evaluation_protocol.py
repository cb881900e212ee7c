# SPDX-License-Identifier: Apache-2.0
"""A protocol's passes: averaging, and mirroring that equals a mirrored scene."""

import numpy as np
import numpy.typing as npt
import pytest
import torch

from segrgbx_core.encoding import encode
from segrgbx_core.encoding.stream import mirrored
from segrgbx_core.errors import InputError
from segrgbx_core.evaluation.protocol import Protocol, ViewSegmenter
from segrgbx_core.labels.label_set import load_label_set
from segrgbx_core.model import build_model
from segrgbx_core.readings import PolarizationState
from segrgbx_core.segmenter import Segmenter
from segrgbx_core.weights.card import ModelCard
from segrgbx_core.weights.store import LoadedModel

Bytes = npt.NDArray[np.uint8]


@pytest.fixture(scope="module")
def segmenter() -> Segmenter:
    torch.manual_seed(0)
    model = build_model("b0", 11)
    # A new classifier predicts the same everywhere; larger weights give varied predictions.
    with torch.no_grad():
        model.head.classifier.weight.mul_(400)
    card = ModelCard(
        "untrained", "", model.config, ("thermal", "polarization"), load_label_set("street")
    )
    return Segmenter(LoadedModel(model, card), "cpu", "float32")


@pytest.fixture(scope="module")
def pair() -> tuple[Bytes, npt.NDArray[np.uint16]]:
    rng = np.random.default_rng(3)
    rgb = rng.integers(0, 256, (48, 64, 3)).astype(np.uint8)
    return rgb, rng.integers(28000, 32000, (48, 64)).astype(np.uint16)


@pytest.mark.parametrize("scales", [(), (0.1,), (1.0, 1.0), (5.0,), (float("nan"),)])
def test_scales_that_make_no_sense_are_refused(scales: tuple[float, ...]) -> None:
    with pytest.raises(InputError, match=r"different numbers .*0\.25 to 4"):
        Protocol(scales)


def test_the_protocol_says_what_it_does() -> None:
    assert "one pass, no scales, no flip" in Protocol().in_words()
    assert Protocol((0.5, 1.0), flip=True).passes == 4
    words = Protocol((0.5, 1.0), flip=True).in_words()
    assert "mean of 4 passes (scales 0.5, 1; each with flip)" in words


def test_one_pass_is_the_segmenter_itself(
    segmenter: Segmenter, pair: tuple[Bytes, npt.NDArray[np.uint16]]
) -> None:
    once = ViewSegmenter(segmenter, Protocol())(*pair, "thermal")
    plain = segmenter(*pair, "thermal")
    np.testing.assert_array_equal(once.labels, plain.labels)
    np.testing.assert_array_equal(once.confidence, plain.confidence)


def test_probabilities_are_what_a_call_decides_by(
    segmenter: Segmenter, pair: tuple[Bytes, npt.NDArray[np.uint16]]
) -> None:
    probabilities, plain = segmenter.probabilities(*pair, "thermal"), segmenter(*pair, "thermal")
    assert probabilities.shape == (11, 48, 64)
    torch.testing.assert_close(probabilities.sum(0), torch.ones(48, 64))
    assert (probabilities.argmax(0).numpy() != plain.labels).mean() < 1e-3
    np.testing.assert_allclose(probabilities.max(0).values.numpy(), plain.confidence, rtol=1e-4)


def test_several_views_are_the_mean_of_their_probabilities(
    segmenter: Segmenter, pair: tuple[Bytes, npt.NDArray[np.uint16]]
) -> None:
    rgb, x = pair
    planes = encode("thermal", x)
    views = []
    for scale in (0.5, 1.0):
        views.append(segmenter.probabilities(rgb, planes, "thermal", scale))
        other = mirrored(planes, "thermal")
        turned = segmenter.probabilities(rgb[:, ::-1].copy(), other, "thermal", scale)
        views.append(turned.flip(2))
    mean = torch.stack(views).mean(0)
    assert not torch.allclose(views[0], views[2])
    result = ViewSegmenter(segmenter, Protocol((0.5, 1.0), flip=True))(rgb, x, "thermal")
    np.testing.assert_array_equal(result.labels, mean.argmax(0).numpy())
    np.testing.assert_allclose(result.confidence, mean.max(0).values.numpy(), atol=1e-6)


def test_with_flip_a_mirrored_pair_gets_the_mirrored_answer(
    segmenter: Segmenter, pair: tuple[Bytes, npt.NDArray[np.uint16]]
) -> None:
    rgb, x = pair
    see = ViewSegmenter(segmenter, Protocol(flip=True))
    result = see(rgb, x, "thermal")
    turned = see(rgb[:, ::-1].copy(), x[:, ::-1].copy(), "thermal")
    np.testing.assert_allclose(turned.confidence[:, ::-1], result.confidence, atol=1e-5)
    assert (turned.labels[:, ::-1] == result.labels).mean() > 0.99


def test_several_views_of_rgb_alone_say_so(
    segmenter: Segmenter, pair: tuple[Bytes, npt.NDArray[np.uint16]]
) -> None:
    result = ViewSegmenter(segmenter, Protocol(flip=True))(pair[0], None, "thermal")
    assert result.modality == "none"
    assert result.x_valid is None


def test_mirrored_polarization_is_that_of_the_mirrored_scene() -> None:
    rng = np.random.default_rng(1)
    dolp = rng.uniform(0.05, 0.9, (12, 16)).astype(np.float32)
    aolp = rng.uniform(0, np.pi, (12, 16)).astype(np.float32)
    dolp[2, 3] = np.nan
    seen = PolarizationState(dolp[:, ::-1].copy(), (np.pi - aolp[:, ::-1]).astype(np.float32))
    expected = encode("polarization", seen)
    planes = mirrored(encode("polarization", PolarizationState(dolp, aolp)), "polarization")
    np.testing.assert_array_equal(planes.valid, expected.valid)
    np.testing.assert_allclose(planes.data, expected.data, atol=1e-5)
    assert not planes.valid[2, 12]


def test_mirrored_thermal_is_that_of_the_mirrored_scene(
    pair: tuple[Bytes, npt.NDArray[np.uint16]],
) -> None:
    expected = encode("thermal", pair[1][:, ::-1].copy())
    planes = mirrored(encode("thermal", pair[1]), "thermal")
    np.testing.assert_allclose(planes.data, expected.data, atol=1e-4)
