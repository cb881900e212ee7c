# SPDX-License-Identifier: Apache-2.0
"""Scene embeddings: one call for both streams, absent X, input statistics, refused inputs."""

import subprocess
import sys
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F

import segrgbx_core
from segrgbx_core.errors import ModelError
from segrgbx_core.model.ma_clip import ABSENT_ROW, MaClip, ModalityVectors, modality_rows
from segrgbx_core.model.vision_tower import SMALL


@pytest.fixture(scope="module")
def clip() -> MaClip:
    torch.manual_seed(12)
    return MaClip().eval()


def test_one_call_of_the_tower_embeds_both_streams(clip: MaClip) -> None:
    seen = []
    hook = clip.visual.register_forward_pre_hook(lambda _, given: seen.append(given[0].shape))
    rgb, x = torch.randn(2, 3, 3, 40, 50)
    with torch.no_grad():
        scene = clip(rgb, x, torch.tensor([3, 4, 3]))
        clip(rgb, None, torch.full((3,), ABSENT_ROW))
    hook.remove()
    assert seen == [(6, 3, 128, 128), (3, 3, 128, 128)]
    for vectors in scene:
        assert vectors.shape == (3, SMALL.output)
        torch.testing.assert_close(vectors.norm(dim=1), torch.full((3,), SMALL.output**0.5))


def test_embedding_is_the_towers_direction(clip: MaClip) -> None:
    rgb = torch.randn(2, 3, 128, 128)
    with torch.no_grad():
        expected = clip.visual(rgb)
        got = clip(rgb, None, torch.full((2,), ABSENT_ROW)).rgb
    torch.testing.assert_close(F.cosine_similarity(got, expected), torch.ones(2))


def test_absent_x_has_the_learned_vector(clip: MaClip) -> None:
    rgb, x = torch.randn(2, 2, 3, 32, 32)
    with torch.no_grad():
        mixed = clip(rgb, x, torch.tensor([3, ABSENT_ROW]))
        none = clip(rgb, None, torch.full((2,), ABSENT_ROW))
    direction = clip.absent.detach() / clip.absent.detach().norm()
    torch.testing.assert_close(mixed.x[1], direction * SMALL.output**0.5)
    torch.testing.assert_close(none.x[0], none.x[1])
    assert not torch.allclose(mixed.x[0], mixed.x[1])


def test_inputs_arrive_with_the_towers_statistics() -> None:
    clip = MaClip()
    given, expected = ((0.5, 0.4, 0.3), (0.2, 0.25, 0.3)), ((0.1, 0.2, 0.3), (0.5, 0.6, 0.7))
    clip.set_input_statistics(given, expected, 1)
    image = torch.rand(1, 3, 128, 128)

    def normalised(by: tuple[tuple[float, ...], tuple[float, ...]]) -> torch.Tensor:
        mean, deviation = (torch.tensor(v).view(1, 3, 1, 1) for v in by)
        return (image - mean) / deviation

    torch.testing.assert_close(clip.as_read(normalised(given), 1), normalised(expected))
    assert torch.equal(clip.as_read(image, 0), image)


def test_tuned_tower_is_taken_and_kept_fixed(clip: MaClip) -> None:
    other = MaClip()
    other.load_visual(clip.visual.state_dict())
    assert not any(p.requires_grad for p in other.visual.parameters())
    assert other.absent.requires_grad
    assert torch.equal(other.visual.proj, clip.visual.proj)  # type: ignore[arg-type]


def test_tower_of_another_kind_is_refused(clip: MaClip) -> None:
    state = dict(clip.visual.state_dict())
    state["proj"] = state["proj"][:, :64]
    with pytest.raises(ModelError, match=r"another visual tower: 1 .*proj"):
        MaClip().load_visual(state)
    del state["proj"]
    with pytest.raises(ModelError, match=r"give the weights .*'clip'"):
        MaClip().load_visual(state)


def test_rows_follow_the_names() -> None:
    names = ("thermal", "depth")
    assert modality_rows(["depth", "none", "thermal"], 3, names) == (3, 1, 2)
    assert modality_rows("thermal", 2, names) == (2, 2)


def test_vectors_in_place_of_clip_are_one_a_sensor() -> None:
    vectors = ModalityVectors(4)
    scene = vectors(torch.zeros(2, 3, 8, 8), None, torch.tensor([3, 1]))
    assert torch.equal(scene.rgb, vectors.vectors[[0, 0]])
    assert torch.equal(scene.x, vectors.vectors[[3, 1]])


def test_small_clip_runs_without_open_clip_and_peft() -> None:
    code = (
        "import sys; from segrgbx_core.model import build_model; "
        "build_model('b0', 2, ('ma_clip', 'dsrm'), head_width=8); "
        "sys.exit(any(m in sys.modules for m in ('open_clip', 'peft', 'transformers')))"
    )
    root = Path(segrgbx_core.__file__).parents[1]
    assert subprocess.run([sys.executable, "-c", code], cwd=root, check=False).returncode == 0


def test_missing_open_clip_names_the_way_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "open_clip", None)
    with pytest.raises(ModelError, match=r"open_clip, .*pip install .*clip='small'"):
        MaClip("ViT-B-32")
