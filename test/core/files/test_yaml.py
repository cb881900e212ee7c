# SPDX-License-Identifier: Apache-2.0
"""Every YAML and JSON file of ours goes through one reader: what parsers let pass is refused."""

import gc
from collections.abc import Callable
from pathlib import Path

import pytest

from segrgbx_core.bounds import LISTING_YAML, MOST_JSON_BYTES, SETTINGS_YAML
from segrgbx_core.datasets.folder import read_manifest
from segrgbx_core.errors import InputError, SegRgbxError
from segrgbx_core.files.yaml import read_json, read_yaml, yaml_text
from segrgbx_core.geometry.calibration import read_camera, read_extrinsic, read_homography
from segrgbx_core.labels.label_set import load_label_set
from segrgbx_core.labels.union import load_membership
from segrgbx_core.training.recipe import load_recipe
from segrgbx_core.weights.card import load_card

READERS: dict[str, tuple[str, Callable[[Path], object]]] = {
    "recipe": ("recipe.yaml", load_recipe),
    "label set": ("labels.yaml", load_label_set),
    "union": ("labels.yaml", load_membership),
    "dataset": ("dataset.yaml", lambda path: read_manifest(path.parent)),
    "camera": ("camera.yaml", read_camera),
    "homography": ("homography.yaml", read_homography),
    "extrinsic": ("extrinsic.yaml", read_extrinsic),
    "card": ("card.yaml", lambda path: load_card(path.parent)),
}


@pytest.mark.parametrize("kind", READERS)
def test_a_key_given_twice_is_refused_with_its_line(tmp_path: Path, kind: str) -> None:
    name, read = READERS[kind]
    path = tmp_path / name
    path.write_text("classes: [1]\nmatrix: [2]\nclasses: []\n", "utf-8")
    with pytest.raises(SegRgbxError, match=rf"{name}, line 3: .*'classes' .*twice"):
        read(path)


def test_a_key_given_twice_in_json_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text('{"model": "a", "model": "b"}', "utf-8")
    with pytest.raises(InputError, match=r"a.json .*'model' .*twice"):
        read_json(tmp_path / "a.json", InputError)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"a: [", "not readable YAML"),
        (b"\xff\xfe\xff", "not text in UTF-8"),
        (b"[" * 500, "more than 64 levels"),
        (b"[" * 5000, "more than 64 levels|maximum nesting depth"),
        (b"a: 2024-13-01", "out of range"),
    ],
)
def test_what_is_not_yaml_is_said(tmp_path: Path, content: bytes, words: str) -> None:
    path = tmp_path / "a.yaml"
    path.write_bytes(content)
    with pytest.raises(InputError, match=words):
        read_yaml(path, InputError)


def test_a_file_too_large_for_settings_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    with path.open("wb") as file:
        file.truncate(MOST_JSON_BYTES + 1)
    with pytest.raises(InputError, match="at most"):
        read_json(path, InputError)


def test_merged_keys_may_be_given_again(tmp_path: Path) -> None:
    path = tmp_path / "a.yaml"
    path.write_text("base: &b {x: 1, y: 2}\nmine: {<<: *b, y: 3}\n", "utf-8")
    content = read_yaml(path, InputError)
    assert content == {"base": {"x": 1, "y": 2}, "mine": {"x": 1, "y": 3}}


def test_a_merged_key_is_no_duplicate(tmp_path: Path) -> None:
    path = tmp_path / "m.yaml"
    path.write_text("base: &b {x: 1, y: 3}\ntop: {<<: *b, x: 2}\n")
    assert read_yaml(path, InputError) == {"base": {"x": 1, "y": 3}, "top": {"x": 2, "y": 3}}


@pytest.mark.parametrize("value", ["12e4", "1e5", "-3E+2", "plain", "1.5", "yes", ""])
def test_text_is_read_as_it_was_written(tmp_path: Path, value: str) -> None:
    path = tmp_path / "t.yaml"
    path.write_text(yaml_text({"value": value}))
    assert read_yaml(path, InputError) == {"value": value}


@pytest.mark.parametrize("text", ["a: !!bool maybe", "a: !!int ''", "a: !!timestamp 'x'"])
def test_a_value_that_is_not_of_its_tag_is_one_sentence(tmp_path: Path, text: str) -> None:
    path = tmp_path / "t.yaml"
    path.write_text(text)
    with pytest.raises(InputError, match="not readable YAML"):
        read_yaml(path, InputError)


def billion_laughs(levels: int) -> str:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 10)}]" for i in range(1, levels)]
    return "\n".join(lines) + "\n"


@pytest.mark.parametrize("kind", READERS)
@pytest.mark.parametrize(
    "text",
    [
        billion_laughs(9),
        "classes: &a [" + "x, " * 900 + "x]\nmatrix: [" + "*a, " * 900 + "*a]\n",
        "classes: &a [*a]\n",
        "matrix: &a {b: *a}\n",
        "matrix: " + "[" * 100 + "]" * 100 + "\n",
        "- " * 100_000 + "x\n",
        "name: 2024-13-45\n",
        "name: !!timestamp never\n",
        "name: !!python/object/apply:os.system [x]\n",
        "name: !!binary '*'\n",
        f"matrix: 0x{'f' * 10_000}\n",
        f"matrix: {'9' * 10_000}\n",
        f"name: {'x' * 500_000}\nclasses: 1\nmatrix: 1\n",
        f"{'k' * 500_000}: 1\n",
        "matrix: [.nan, 1, 1, 1, 1, 1, 1, 1, 1]\n",
        "",
        "null\n",
        "--- a\n--- b\n",
    ],
    ids=range(18),
)
def test_every_kind_of_file_refuses_what_yaml_allows_in_a_short_sentence(
    tmp_path: Path, kind: str, text: str
) -> None:
    name, read = READERS[kind]
    (tmp_path / name).write_text(text)
    with pytest.raises(SegRgbxError) as caught:
        read(tmp_path / name)
    assert len(str(caught.value)) < 1000


def test_aliases_within_reason_are_read(tmp_path: Path) -> None:
    path = tmp_path / "a.yaml"
    path.write_text(billion_laughs(3))
    content = read_yaml(path, InputError)
    assert isinstance(content, dict)
    assert len(content["a2"]) == 10


def test_a_dataset_says_the_condition_of_200_000_samples(tmp_path: Path) -> None:
    lines = (f"  drive_{i:010}: {'night' if i % 3 else 'day'}\n" for i in range(200_000))
    text = f"modality: thermal\nlabel_set: street\nconditions:\n{''.join(lines)}"
    (tmp_path / "dataset.yaml").write_text(text, "utf-8")
    conditions = read_manifest(tmp_path).conditions
    assert conditions is not None
    assert len(conditions) == 200_000
    assert conditions["drive_0000199998"] == "day"
    with pytest.raises(InputError, match=rf"bytes; expected at most {SETTINGS_YAML.bytes}"):
        read_yaml(tmp_path / "dataset.yaml", InputError)


def test_a_dataset_is_bounded_too(tmp_path: Path) -> None:
    path = tmp_path / "dataset.yaml"
    path.write_text("- 1\n" * (LISTING_YAML.values + 1), "utf-8")
    with pytest.raises(InputError, match=f"more than {LISTING_YAML.values} values"):
        read_yaml(path, InputError, LISTING_YAML)
    path.write_text(f"a: &a [{'x, ' * 999}x]\nb: [{'*a, ' * 600}*a]\n", "utf-8")
    with pytest.raises(InputError, match=r"line 2: more than 600000 values, aliases counted"):
        read_yaml(path, InputError, LISTING_YAML)


def test_the_collector_goes_on_after_a_refusal(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text("a: [", "utf-8")
    with pytest.raises(InputError):
        read_yaml(tmp_path / "a.yaml", InputError)
    assert gc.isenabled()
