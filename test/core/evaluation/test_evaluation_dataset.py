# SPDX-License-Identifier: Apache-2.0
"""Scores over a dataset, against torchmetrics and by hand."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torchmetrics.classification import MulticlassJaccardIndex

from segrgbx_core.datasets import FolderDataset, Sample, write_dataset
from segrgbx_core.errors import InputError
from segrgbx_core.evaluation.dataset import evaluate, member_for
from segrgbx_core.evaluation.results import worst_frames
from segrgbx_core.evaluation.summary import frames_csv, grouped
from segrgbx_core.files.images import write_png
from segrgbx_core.labels.label_set import load_label_set
from segrgbx_core.model import build_model
from segrgbx_core.scenes.drive import Drive, DriveSettings
from segrgbx_core.segmenter import Segmenter
from segrgbx_core.weights.card import ModelCard
from segrgbx_core.weights.store import LoadedModel


def untrained(classes: str = "street") -> Segmenter:
    torch.manual_seed(0)
    labels = load_label_set(classes)
    model = build_model("b0", len(labels))
    with torch.no_grad():
        model.head.classifier.weight.mul_(400)
    card = ModelCard("untrained", "", model.config, ("thermal",), labels)
    return Segmenter(LoadedModel(model, card), "cpu", "float32")


@pytest.fixture(scope="module")
def drive(tmp_path_factory: pytest.TempPathFactory) -> FolderDataset:
    folder = tmp_path_factory.mktemp("drive")
    write_dataset(Drive(DriveSettings(seconds=1.0, rate_hz=5, width=64, height=48)), folder)
    return FolderDataset(folder)


class Faulty(FolderDataset):
    """A dataset with an overexposed second sample."""

    def __getitem__(self, index: int, /) -> Sample:
        sample = super().__getitem__(index)
        return replace(sample, fault="overexposure") if index == 1 else sample


def test_scores_equal_torchmetrics_over_all_frames(drive: FolderDataset) -> None:
    segmenter = untrained()
    metric = MulticlassJaccardIndex(num_classes=11, ignore_index=255, average="none")
    for index in range(len(drive)):
        sample = drive[index]
        answer = segmenter(sample.rgb, sample.x, "thermal").labels
        metric.update(torch.from_numpy(answer), torch.from_numpy(sample.labels).long())
    overall = evaluate(segmenter, drive).overall
    assert len({v for v in overall.per_class_iou.values() if v}) > 1
    mine = [0.0 if v is None else v for v in overall.per_class_iou.values()]
    np.testing.assert_allclose(mine, metric.compute().numpy(), atol=1e-6)


def test_conditions_and_frames_add_up_to_the_whole(drive: FolderDataset) -> None:
    scores = evaluate(untrained(), drive)
    conditions = [frame.condition for frame in scores.frames]
    assert len(set(conditions)) > 2
    counts = {name: part.frames for name, part in scores.by_condition.items()}
    assert counts == {name: conditions.count(name) for name in set(conditions)}
    parts = sum(part.confusion for part in scores.by_condition.values())
    np.testing.assert_array_equal(parts, scores.overall.confusion)
    assert [frame.index for frame in scores.frames] == [0, 1, 2, 3, 4]
    alone = [frame for frame in scores.frames if counts[frame.condition] == 1]
    assert alone
    for frame in alone:
        assert frame.miou == scores.by_condition[frame.condition].miou


def test_a_faulty_frame_counts_under_its_condition_and_its_fault(drive: FolderDataset) -> None:
    scores = evaluate(untrained(), Faulty(drive.folder))
    assert scores.by_condition["overexposure"].frames == 1
    assert scores.by_condition["overexposure"].miou == scores.frames[1].miou
    assert sum(part.frames for part in scores.by_condition.values()) == 6
    assert scores.overall.frames == 5
    assert scores.frames[1].fault == "overexposure"


def test_chosen_samples_alone_are_scored(drive: FolderDataset) -> None:
    segmenter = untrained()
    parts = [evaluate(segmenter, drive, indices=range(i, 5, 2)) for i in (0, 1)]
    whole = evaluate(segmenter, drive)
    assert [part.overall.frames for part in parts] == [3, 2]
    summed = parts[0].overall.confusion + parts[1].overall.confusion
    np.testing.assert_array_equal(summed, whole.overall.confusion)


def test_the_worst_frames_are_those_of_the_lowest_mean_iou(drive: FolderDataset) -> None:
    scores = evaluate(untrained(), drive)
    ranked = sorted(frame.miou for frame in scores.frames if frame.miou is not None)
    assert [frame.miou for frame in worst_frames(scores, 3)] == ranked[:3]
    assert len(worst_frames(scores, 99)) == 5


def test_frames_go_into_a_table_of_one_line_each(drive: FolderDataset) -> None:
    lines = frames_csv(evaluate(untrained(), drive).frames).splitlines()
    assert lines[0] == "index,stem,condition,fault,miou,pixel_accuracy"
    assert len(lines) == 6
    assert lines[1].startswith("0,000000,day,,0.")


def test_groups_keep_their_order_and_their_absent_classes(drive: FolderDataset) -> None:
    scores = evaluate(untrained(), drive)
    groups = grouped(scores)
    assert list(groups) == ["all", *scores.by_condition]
    assert groups["day"].absent == scores.by_condition["day"].absent


def test_other_classes_are_refused_in_words(drive: FolderDataset) -> None:
    with pytest.raises(InputError, match=r"label set 'mfnet', .* of 'street'"):
        evaluate(untrained("mfnet"), drive)


def test_a_model_over_the_union_answers_in_a_set_of_it() -> None:
    card = untrained("unified").card
    member = member_for(card, load_label_set("mfnet"))
    assert member is not None
    assert member.label_set.names == load_label_set("mfnet").names
    assert member_for(untrained("mfnet").card, load_label_set("mfnet")) is None


def test_a_set_with_a_shipped_name_and_other_classes_is_no_part_of_the_union() -> None:
    named = replace(load_label_set("street"), name="mfnet")
    assert member_for(untrained("unified").card, named) is None


def test_a_mean_over_nothing_is_none_and_the_frame_is_not_the_worst(tmp_path: Path) -> None:
    write_dataset(Drive(DriveSettings(seconds=0.4, rate_hz=5, width=64, height=48)), tmp_path)
    for path in (tmp_path / "labels").glob("*.png"):
        write_png(path, np.full((48, 64), 255, np.uint8))
    scores = evaluate(untrained(), FolderDataset(tmp_path))
    assert scores.overall.miou is None
    assert worst_frames(scores, 3) == ()
