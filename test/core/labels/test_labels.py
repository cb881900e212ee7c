# SPDX-License-Identifier: Apache-2.0
"""Label sets read from YAML."""

from pathlib import Path

import pytest

from segrgbx_core.errors import LabelError
from segrgbx_core.labels.label_set import load_label_set
from segrgbx_core.scenes.street.materials import Label


def test_street_is_what_the_scenes_draw() -> None:
    street = load_label_set("street")
    assert street.names == tuple(label.name.lower() for label in Label)
    assert street.id_of("pedestrian") == Label.PEDESTRIAN
    assert street.id_of("glass") == Label.GLASS == 10
    assert street.palette()[Label.ROAD].tolist() == [128, 64, 128]
    assert street.palette()[255].tolist() == [0, 0, 0]


def test_a_file_of_the_users_own(tmp_path: Path) -> None:
    path = tmp_path / "farm.yaml"
    path.write_text(
        "classes:\n- {name: crop, color: [0, 200, 0]}\n- {name: soil, color: [9, 8, 7]}"
    )
    farm = load_label_set(path)
    assert farm.name == "farm"
    assert farm.names == ("crop", "soil")
    assert len(farm) == 2


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("classes: [road]", r"classes\[0\] is 'road'"),
        ("classes:\n- {name: a, color: [0, 0, 256]}", r"\[0, 0, 256\]"),
        ("classes:\n- {name: a, color: [0, 0]}", "color has 2 values"),
        ("names: []", "unknown keys names"),
        ("classes: []", "0 classes; .*1 to 255"),
        ("classes: [", "not readable YAML"),
        (
            "classes:\n- {name: a, color: [0, 0, 0]}\n- {name: a, color: [1, 1, 1]}",
            "class twice",
        ),
    ],
)
def test_wrong_files_are_refused_in_words(tmp_path: Path, text: str, words: str) -> None:
    path = tmp_path / "set.yaml"
    path.write_text(text)
    with pytest.raises(LabelError, match=words):
        load_label_set(path)


def test_unknown_names_list_the_known() -> None:
    with pytest.raises(LabelError, match=r"'marsh' was not found; .*street"):
        load_label_set("marsh")
    with pytest.raises(LabelError, match=r"'river'; .*road, lane_marking"):
        load_label_set("street").id_of("river")
