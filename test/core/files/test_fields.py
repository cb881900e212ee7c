# SPDX-License-Identifier: Apache-2.0
"""Mappings to frozen dataclasses: types, defaults, and each mistake by its place."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import pytest

from segrgbx_core.errors import InputError, ModelError
from segrgbx_core.files.fields import filled


@dataclass(frozen=True)
class Wheel:
    size: float
    material: Literal["steel", "rubber"] = "rubber"

    def __post_init__(self) -> None:
        if self.size <= 0:
            raise ModelError(f"A wheel is {self.size} wide; expected above 0.")


@dataclass(frozen=True)
class Cart:
    name: str
    wheels: tuple[Wheel, ...]
    load: Mapping[str, int | str] | None = None
    tags: Sequence[str] | str = ()
    corner: tuple[int, int] = (0, 0)
    covered: bool = False


GOOD: dict[str, object] = {"name": "a", "wheels": [{"size": 2}, {"size": 0.5}]}


def test_values_arrive_in_their_types() -> None:
    cart = filled(
        Cart, {**GOOD, "load": {"hay": 3, "for": "cow"}, "tags": ["x"]}, "cart", ModelError
    )
    assert cart.wheels == (Wheel(2.0), Wheel(0.5))
    assert type(cart.wheels[0].size) is float
    assert cart.load == {"hay": 3, "for": "cow"}
    assert cart.tags == ("x",)
    assert filled(Cart, {**GOOD, "tags": "x"}, "cart", ModelError).tags == "x"
    assert filled(Cart, {**GOOD, "wheels": {"size": 1}}, "cart", ModelError).wheels == (
        Wheel(1.0),
    )


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"colour": 1}, r"unknown keys colour; .*name, wheels"),
        ({"wheels": [{}]}, r"cart.wheels\[0\] lacks size"),
        ({"wheels": [{"size": "2"}]}, r"cart.wheels\[0\].size is '2'; .*number"),
        ({"wheels": [{"size": True}]}, "size is True; .*number"),
        ({None: 1}, "has the key None, which is not text"),
        ({"wheels": [{"size": float("nan")}]}, "size is nan; expected a finite number"),
        ({"wheels": [{"size": float("inf")}]}, "size is inf; expected a finite number"),
        ({"load": {"hay": 1 << 20_000}}, "load.hay is a number of 20001 bits"),
        ({"corner": [1 << 20_000, 0]}, "corner is too large a number"),
        ({"name": [[["x" * 10**6] * 1000] * 1000] * 1000}, r"name is \[\[.{,80}; expected text"),
        ({"wheels": [{"size": -1}]}, r"cart.wheels\[0\]: .*-1.0 wide"),
        ({"wheels": 3}, "mapping, or a list"),
        ({"wheels": [{"size": 1, "material": "wood"}]}, "'wood'; .*steel or rubber"),
        ({"load": {1: 2}}, "cart.load .*key 1, .*not text"),
        ({"load": {"a": 1.5}}, "cart.load.a is 1.5; .*whole number or text"),
        ({"corner": [1]}, "cart.corner has 1 values; expected 2"),
        ({"covered": 1}, "cart.covered is 1; .*true or false"),
        ({"name": None}, "cart.name is None; .*text"),
    ],
)
def test_a_mistake_is_named_by_its_place(change: dict[str, object], words: str) -> None:
    with pytest.raises(InputError, match=words):
        filled(Cart, {**GOOD, **change}, "cart", InputError)


def test_whole_owes_all_but_what_may_be_none() -> None:
    with pytest.raises(InputError, match="cart lacks tags, corner, covered"):
        filled(Cart, GOOD, "cart", InputError, whole=True)


def test_further_keys_are_ignored_where_asked() -> None:
    given = {**GOOD, "colour": 1, "wheels": [{"size": 1, "brand": "b"}]}
    assert filled(Cart, given, "cart", InputError, further=True).wheels == (Wheel(1.0),)
