# SPDX-License-Identifier: Apache-2.0
"""When scene embeddings of a video are computed again, and that the Segmenter uses them."""

import numpy as np
import numpy.typing as npt
import pytest
import torch
from torch import Tensor

from segrgbx_core import Segmenter, build_model
from segrgbx_core.errors import InputError
from segrgbx_core.labels.label_set import LabelClass, LabelSet
from segrgbx_core.model import Preprocessing
from segrgbx_core.model.ma_clip import SceneEmbeddings
from segrgbx_core.model.presets import COMPONENTS
from segrgbx_core.scene_cache import SceneCache, SceneRefresh
from segrgbx_core.weights.card import ModelCard
from segrgbx_core.weights.store import LoadedModel

SCENE = SceneEmbeddings(torch.ones(1, 4), torch.ones(1, 4))


def _cache(every: int = 100, change: float | None = None) -> SceneCache:
    cache = SceneCache(SceneRefresh(every, change), Preprocessing(rgb_std=(0.5, 0.5, 0.5)))
    cache.keep(SCENE, *_images(0.0), "thermal")
    return cache


def _images(level: float) -> tuple[Tensor, Tensor]:
    return torch.full((1, 3, 32, 48), level), torch.zeros(1, 3, 32, 48)


def test_a_look_serves_so_many_frames() -> None:
    cache = _cache(every=3)
    answers = [cache.recall(*_images(9.0), "thermal") for _ in range(3)]
    assert answers == [SCENE, SCENE, None]


def test_a_change_beyond_the_threshold_ends_it() -> None:
    # 0.3 deviations of 0.5 are 0.15 of the range of values.
    assert _cache(change=0.16).recall(*_images(0.3), "thermal") is SCENE
    assert _cache(change=0.14).recall(*_images(0.3), "thermal") is None
    cache = _cache(change=0.14)
    rgb, x = _images(0.0)
    assert cache.recall(rgb, x + 1.0, "thermal") is None


def test_slow_change_is_measured_from_the_look() -> None:
    cache = _cache(change=0.14)
    levels = (0.1, 0.2, 0.3)
    answers = [cache.recall(*_images(level), "thermal") for level in levels]
    assert answers == [SCENE, SCENE, None]


def test_another_sensor_or_an_absent_x_ends_it() -> None:
    rgb, x = _images(0.0)
    assert _cache().recall(rgb, x, "depth") is None
    assert _cache().recall(rgb, None, "thermal") is None
    cache = _cache()
    cache.forget()
    assert cache.recall(rgb, x, "thermal") is None


@pytest.mark.parametrize(
    ("every", "change", "sentence"),
    [
        (0, None, "every 0; .*1 or more"),
        (1, 0.0, "change 0.0; .*above 0 .*1"),
        (1, float("nan"), "change nan"),
    ],
)
def test_wrong_settings_are_refused_in_words(
    every: int, change: float | None, sentence: str
) -> None:
    with pytest.raises(InputError, match=sentence):
        SceneRefresh(every, change)


def _loaded(components: tuple[str, ...]) -> LoadedModel:
    torch.manual_seed(2)
    model = build_model("b0", 4, components, head_width=16)
    with torch.no_grad():
        model.head.classifier.weight.normal_()
        if model.dsrm is not None:
            model.dsrm["4"].control.weight.normal_(0.0, 0.3)  # type: ignore[union-attr,operator]
            model.dsrm["4"].control.bias.normal_()  # type: ignore[union-attr,operator]
    classes = tuple(LabelClass(f"class_{i}", (i, i, i)) for i in range(4))
    card = ModelCard("tiny", "Untrained.", model.config, ("thermal",), LabelSet("four", classes))
    return LoadedModel(model, card)


def _frame(seed: int) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.uint16]]:
    rng = np.random.default_rng(seed)
    rgb = rng.integers(0, 256, (32, 48, 3), np.uint8)
    return rgb // (1 + seed), rng.integers(28000, 31000, (32, 48), np.uint16)


def test_segmenter_looks_every_second_frame_and_again_when_told() -> None:
    loaded = _loaded(COMPONENTS)
    assert loaded.model.ma_clip is not None
    looks: list[int] = []
    loaded.model.ma_clip.register_forward_hook(lambda *_: looks.append(len(frames)))
    segmenter = Segmenter(loaded, "cpu", scene_refresh=SceneRefresh(every=2))
    frames: list[int] = []
    for frame in range(4):
        frames.append(frame)
        segmenter(*_frame(frame))
    assert looks == [1, 3]
    segmenter.forget_scene()
    segmenter(*_frame(0))
    assert looks == [1, 3, 4]


def test_first_frame_is_as_without_refresh_and_later_ones_keep_its_scene() -> None:
    plain = Segmenter(_loaded(COMPONENTS), "cpu")
    kept = Segmenter(_loaded(COMPONENTS), "cpu", scene_refresh=SceneRefresh(every=9))
    np.testing.assert_allclose(
        kept(*_frame(0)).confidence, plain(*_frame(0)).confidence, atol=1e-5
    )
    difference = np.abs(kept(*_frame(3)).confidence - plain(*_frame(3)).confidence)
    assert difference.max() > 1e-4


def test_warm_up_leaves_no_scene_behind() -> None:
    plain = Segmenter(_loaded(COMPONENTS), "cpu")
    warm = Segmenter(_loaded(COMPONENTS), "cpu", scene_refresh=SceneRefresh(every=9))
    warm.warm_up(1, (32, 48))
    np.testing.assert_allclose(
        warm(*_frame(0)).confidence, plain(*_frame(0)).confidence, atol=1e-5
    )


def test_a_model_without_clip_takes_the_setting_and_has_no_use_for_it() -> None:
    segmenter = Segmenter(_loaded(()), "cpu", scene_refresh=SceneRefresh(every=9))
    plain = Segmenter(_loaded(()), "cpu")
    assert np.array_equal(segmenter(*_frame(1)).labels, plain(*_frame(1)).labels)
