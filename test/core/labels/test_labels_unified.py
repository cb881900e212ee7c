# SPDX-License-Identifier: Apache-2.0
"""The five sets and the scenes' in their union, and label images from one numbering to another."""

from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from segrgbx_core.errors import LabelError
from segrgbx_core.labels.images import from_one, ids_of_numbers, remap
from segrgbx_core.labels.label_set import load_label_set
from segrgbx_core.labels.union import Membership, load_membership

SIZES = {"deliver": 25, "mfnet": 9, "nyu_depth_v2": 40, "zju_rgbp": 8, "urbanlf": 14, "camvid": 11}
SCENES = {"street": 11}


def _met(member: Membership, name: str) -> tuple[str, ...]:
    ids = member.meets[member.label_set.id_of(name)]
    return tuple(member.unified.names[i] for i in ids)


@pytest.mark.parametrize(("name", "size"), (SIZES | SCENES).items())
def test_each_set_has_its_classes_and_a_place_in_the_union(name: str, size: int) -> None:
    member = load_membership(name)
    assert len(member.label_set) == len(member.meets) == size
    assert len({c.color for c in member.label_set.classes}) == size
    counts = Counter(i for ids in member.meets for i in ids)
    assert set(counts.values()) == {1}


def test_the_union_is_covered_and_holds_nothing_else() -> None:
    members = [load_membership(name) for name in SIZES]
    by_name = set()
    for member in members:
        for ids in member.meets:
            by_name |= set(ids) if len(ids) <= 3 else set()
    unified = load_label_set("unified")
    # All but the class that only the rest of a set can be.
    assert [n for i, n in enumerate(unified.names) if i not in by_name] == ["other"]
    assert len({c.color for c in unified.classes}) == len(unified) == 70


def test_classes_meet_by_meaning() -> None:
    deliver, mfnet, nyu = (load_membership(n) for n in ("deliver", "mfnet", "nyu_depth_v2"))
    zju, urbanlf = load_membership("zju_rgbp"), load_membership("urbanlf")
    assert _met(deliver, "cars") == _met(mfnet, "car") == _met(zju, "car") == ("car",)
    assert _met(urbanlf, "vehicle") == ("car", "bus", "truck")
    assert _met(zju, "road") == _met(urbanlf, "road") == ("road", "road_line", "bump")
    assert _met(deliver, "road") == ("road", "bump")
    assert _met(nyu, "wall") == ("room_wall",)
    assert _met(deliver, "wall") == ("wall",)
    assert _met(zju, "glass") == ("glass",)
    assert _met(nyu, "window") == ("window",)
    assert "window" in _met(mfnet, "unlabeled")
    assert "car" not in _met(mfnet, "unlabeled")
    assert "glass" not in _met(deliver, "other")


def test_the_scenes_classes_meet_by_meaning() -> None:
    street, zju = load_membership("street"), load_membership("zju_rgbp")
    assert _met(street, "glass") == _met(zju, "glass") == ("glass",)
    assert _met(street, "car") == ("car",)
    assert _met(street, "lane_marking") == ("road_line",)
    assert _met(street, "pedestrian") == ("person",)
    assert _met(street, "cyclist") == ("rider", "two_wheeler")
    # No class of the scenes takes the rest, so rooms and trucks learn nothing from them.
    met = {name for own in street.label_set.names for name in _met(street, own)}
    assert not met & {"truck", "window", "room_wall", "other", "static"}


def test_the_unions_ids_stay_what_models_were_trained_with() -> None:
    names = load_label_set("unified").names
    assert [names.index(n) for n in ("road", "building", "car", "glass", "other")] == [
        0, 8, 19, 25, 30,
    ]  # fmt: skip
    assert names[31] == "room_wall"
    assert names[-1] == "other_prop"


def test_some_colours_of_the_sets() -> None:
    assert load_label_set("deliver").palette()[9].tolist() == [0, 0, 142]
    assert load_label_set("mfnet").palette()[3].tolist() == [0, 128, 192]
    assert load_label_set("zju_rgbp").palette()[7].tolist() == [64, 0, 0]
    assert load_label_set("urbanlf").palette()[13].tolist() == [158, 179, 202]
    # The VOC map at 1, 2 and 40: the lowest three bits of the number are the top bits of R, G and
    # B, the next three, 101 of 40 = 101 000, the second highest.
    nyu = load_label_set("nyu_depth_v2").palette()
    assert [nyu[i].tolist() for i in (0, 1, 39)] == [[128, 0, 0], [0, 128, 0], [64, 0, 64]]


def test_stored_ids_lose_one_without_wrapping_around() -> None:
    deliver = load_label_set("deliver")
    stored = np.array([0, 1, 25, 255], np.uint8)
    numbering, file = from_one(deliver), Path("a.png")
    assert ids_of_numbers(stored, numbering, file).tolist() == [255, 0, 24, 255]
    with pytest.raises(LabelError, match=r"a.png .*values 26 in 2 .*0 to 25"):
        ids_of_numbers(np.array([26, 26], np.uint8), numbering, file)


def test_label_images_that_cannot_be_are_refused() -> None:
    with pytest.raises(LabelError, match="of type int64; expected uint8"):
        remap(np.zeros(3, np.int64), {0: 1}, "It")  # type: ignore[arg-type]
    with pytest.raises(LabelError, match=r"values 9 in 1 .*0 to 8"):
        remap(np.array([9, 0], np.uint8), {i: i for i in range(9)}, "It")


UNION = "classes:\n- {name: soil, color: [1, 1, 1]}\n- {name: crop, color: [2, 2, 2]}\n"


def _farm(folder: Path, classes: str, more: str = "unified: union.yaml\n") -> Path:
    (folder / "union.yaml").write_text(UNION)
    path = folder / "farm.yaml"
    path.write_text(f"name: farm\n{more}classes:\n{classes}")
    return path


def test_a_set_of_the_users_own_joins_by_its_file(tmp_path: Path) -> None:
    path = _farm(tmp_path, "- {name: plant, color: [0, 9, 0], meets: crop}\n")
    farm = load_membership(path)
    assert farm.meets == ((1,),)
    assert farm.unified.names == ("soil", "crop")


@pytest.mark.parametrize(
    ("classes", "more", "words"),
    [
        ("- {name: a, color: [0, 0, 0]}", None, r"class 'a' meets \[\];"),
        ("- {name: a, color: [0, 0, 0], meets: []}", None, "expected one unified class"),
        ("- {name: a, color: [0, 0, 0], meets: [rest, crop]}", None, "'rest' alone"),
        ("- {name: a, color: [0, 0, 0], meets: rye}", None, "'rye', which 'union' lacks"),
        (
            "- {name: a, color: [0, 0, 0], meets: crop}\n"
            "- {name: b, color: [0, 0, 1], meets: [soil, crop]}",
            None,
            "'crop' .*'a' and 'b'",
        ),
        (
            "- {name: a, color: [0, 0, 0], meets: rest}\n"
            "- {name: b, color: [0, 0, 1], meets: rest}",
            None,
            "'rest' .*'a' and 'b'",
        ),
        (
            "- {name: a, color: [0, 0, 0], meets: crop}",
            "unified: union.yaml\nsilent: [crop]\n",
            "'a' and 'silent'",
        ),
        (
            "- {name: a, color: [0, 0, 0], meets: rest}\n"
            "- {name: b, color: [0, 0, 1], meets: [soil, crop]}",
            None,
            "the rest, but 'union'",
        ),
        ("- {name: a, color: [0, 0, 0], meets: crop}", "", "not name the union"),
        ("- {name: a, color: [0, 0, 0], meets: crop}", "unified: moor\n", "'moor' was not found"),
    ],
)
def test_wrong_files_are_refused_in_words(
    tmp_path: Path, classes: str, more: str | None, words: str
) -> None:
    path = _farm(tmp_path, classes) if more is None else _farm(tmp_path, classes, more)
    with pytest.raises(LabelError, match=words):
        load_membership(path)


def test_closed_sets_say_what_they_never_show() -> None:
    rooms, streets, open_set = map(load_membership, ("nyu_depth_v2", "camvid", "mfnet"))
    names = rooms.unified.names
    assert {"sky", "road", "building"} <= {names[i] for i in rooms.absent}
    assert {"bed", "room_wall"} <= {names[i] for i in streets.absent}
    assert open_set.absent == ()
    for member in (rooms, streets):
        met = {i for ids in member.meets for i in ids}
        assert met.isdisjoint(member.absent)
        assert len(met) + len(member.absent) == len(names)
