# SPDX-License-Identifier: Apache-2.0
"""Data made for models/real: events and light fields from depth, and a teacher's labels."""

import hashlib
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from experiments.teach import CITYSCAPES_SHA256, TAUGHT, Teacher, combined, score, write_taught
from experiments.teach import main as teach
from experiments.warp import Frame, events_of, frame_of, seen_from, views_of, write_warped
from experiments.warp import main as warp
from segrgbx_core.datasets import DatasetOptions, FolderDataset, encoded, open_dataset
from segrgbx_core.datasets.samples import Sample
from segrgbx_core.encoding import DepthSettings
from segrgbx_core.errors import InputError
from segrgbx_core.labels.label_set import load_label_set
from segrgbx_core.labels.union import load_membership
from segrgbx_core.scenes.optics.camera import PinholeCamera
from segrgbx_core.scenes.sensors.light_field import baseline

WIDTH, HEIGHT = 64, 48


def frame(depth_m: float = 2.0) -> Frame:
    """A wall with one bright vertical stripe."""
    rgb = np.full((HEIGHT, WIDTH, 3), 40, np.uint8)
    rgb[:, 30:34] = 220
    camera = PinholeCamera(WIDTH, HEIGHT, 80.0, 80.0, (WIDTH - 1) / 2, (HEIGHT - 1) / 2, "camera")
    depth = np.full((HEIGHT, WIDTH), depth_m, np.float32)
    return Frame(rgb, depth, np.zeros((HEIGHT, WIDTH), np.uint8), camera)


def stripe(image: npt.NDArray[np.generic]) -> float:
    """The middle of the bright stripe, in pixels."""
    weight = np.clip(image.astype(float).mean(0) - 60, 0, None)
    return float((weight * np.arange(WIDTH)).sum() / weight.sum())


def test_a_camera_that_moves_right_sees_things_further_left() -> None:
    still = frame()
    image = still.rgb[..., 0].astype(np.float32)
    moved = seen_from(image, still, np.array([0.1, 0.0, 0.0]), np.zeros(3))
    # f t / Z = 80 * 0.1 / 2 pixels.
    assert stripe(moved) - stripe(image) == pytest.approx(-4.0, abs=0.1)
    same = seen_from(image, still, np.zeros(3), np.zeros(3))
    assert np.allclose(same, image, atol=1e-2)


def test_a_nearer_wall_has_more_disparity_between_the_views() -> None:
    rng = np.random.default_rng(0)
    shifts = []
    for depth in (1.0, 2.0):
        seen = frame(depth)
        views = views_of(seen, rng)
        middle, right = (views.views[i, ..., 0] for i in (4, 5))
        shifts.append(stripe(right) - stripe(middle))
        assert shifts[-1] == pytest.approx(-80 * baseline(seen.camera) / depth, abs=0.4)
    assert shifts[0] < shifts[1]


def test_events_lie_at_the_edges_that_move() -> None:
    counts = np.zeros(WIDTH)
    for seed in range(8):
        events = events_of(frame(), np.random.default_rng(seed))
        counts += np.bincount(events.x, minlength=WIDTH)
        assert (events.t_ns >= events.start_ns).all()
        assert (events.t_ns < events.end_ns).all()
    assert counts[24:40].mean() > 5 * counts[:16].mean()


@pytest.mark.shared_data
def test_frames_become_a_folder_to_train_on(tmp_path: Path, shared_data: Path) -> None:
    root = shared_data / "nyudepthv2"
    data = open_dataset("nyu_depth_v2", root, "train", DatasetOptions(depth_scale=6528.0))
    for modality in ("event", "light_field"):
        write_warped(data, tmp_path / modality, modality, 2, seed=1)
        made = FolderDataset(tmp_path / modality)
        assert (len(made), made.modality) == (2, modality)
        planes = encoded(made, made[0])
        assert planes.valid.mean() > 0.9
        assert planes.data.std() > 0.01
    assert isinstance(data.settings, DepthSettings)
    small = frame_of(data[0], data.settings)
    assert small.rgb.shape == (240, 320, 3)
    made = FolderDataset(tmp_path / "event", stems={data.places[0].stem})
    assert np.array_equal(made[0].rgb, small.rgb)


def test_the_teacher_never_changes_the_owners_labels() -> None:
    own, labels = load_label_set("mfnet"), load_label_set(TAUGHT)
    owners = np.zeros((40, 40), np.uint8)
    owners[:20, :20] = own.id_of("car")
    taught = np.zeros((40, 40), np.uint8)  # road
    taught[:, 30:] = 13  # car, where the owners saw none
    both = combined(owners, own, taught, labels)
    assert (both[:20, :20] == labels.id_of("car")).all()
    assert both[35, 5] == labels.id_of("road")
    assert (both[:, 34:] == 255).all()
    assert (both[22, :20] == 255).all()  # beside the car


def test_the_taught_classes_are_part_of_the_union() -> None:
    member = load_membership(TAUGHT)
    assert member.unified.names == load_label_set("unified").names
    assert not any("rest" in names for names in member.label_set.names)


@pytest.mark.shared_data
def test_a_segmenter_of_other_classes_is_refused(
    tmp_path: Path, shared_data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """It takes and gives the same shapes, so that only the checksum tells them apart."""
    pytest.importorskip("ai_edge_litert", reason="needs the package ai-edge-litert")
    pascal = shared_data / "teachers" / "deeplabv3_mnv2_pascal_quant.tflite"
    out = tmp_path / "out"
    argv = [str(shared_data / "mfnet"), str(pascal), "--out", str(out)]
    assert teach([*argv]) == 2
    said = capsys.readouterr().err
    assert hashlib.sha256(pascal.read_bytes()).hexdigest() in said
    assert CITYSCAPES_SHA256 in said
    assert "--other-segmenter" in said
    assert not out.exists()
    assert Teacher(pascal, other=True)(np.zeros((48, 64, 3), np.uint8)).shape == (48, 64)
    broken = tmp_path / "text.tflite"
    broken.write_text("no graph")
    with pytest.raises(InputError, match="cannot be read as a TensorFlow Lite file"):
        Teacher(broken, other=True)


@pytest.mark.parametrize(
    ("size", "hole", "said"),
    [((425, 560), False, "560x425 pixels; expected 640x480"), ((480, 640), True, "with holes")],
)
def test_frames_that_cannot_be_warped_are_refused(
    size: tuple[int, int], hole: bool, said: str
) -> None:
    depth = np.full(size, 2.0, np.float32)
    depth[100:110, 100:110] = 0 if hole else 2
    rgb, labels = np.zeros((*size, 3), np.uint8), np.zeros(size, np.uint8)
    with pytest.raises(InputError, match=said):
        frame_of(Sample("a", rgb, depth, labels, ""), DepthSettings())


@pytest.mark.parametrize("wrong", [("--count", "0"), ("--seed", "-1")])
def test_counts_and_seeds_that_cannot_be_are_refused(
    tmp_path: Path, wrong: tuple[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    argv = [str(tmp_path), "--modality", "event", "--out", str(out)]
    assert warp([*argv, *wrong]) == 2
    assert f"{wrong[0]} " in capsys.readouterr().err.replace("and", "")
    assert not out.exists()


@pytest.mark.shared_data
def test_a_real_teacher_names_the_road(tmp_path: Path, shared_data: Path) -> None:
    pytest.importorskip("ai_edge_litert", reason="needs the package ai-edge-litert")
    graph = shared_data / "teachers" / "deeplab_mobilenet_edgetpu_slim_cityscapes_quant.tflite"
    data = open_dataset("mfnet", shared_data / "mfnet", "val")
    count = write_taught(data, Teacher(graph), tmp_path / "taught")
    made = FolderDataset(tmp_path / "taught")
    assert 0 < count == len(made) < len(data)
    road = made.label_set.id_of("road")
    shares = [float((made.labels(i) == road).mean()) for i in range(len(made))]
    assert float(np.median(shares)) > 0.2
    read = score(data, Teacher(graph))
    assert set(read) == {"day", "night"}
    # What the Cityscapes segmenter cannot do, and why a thermal camera is asked for.
    assert (read["day"]["person"] or 0) > 0.2 > 0.1 > (read["night"]["person"] or 0)
