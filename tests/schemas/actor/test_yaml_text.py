"""Plain values come back from the text as they were, whatever version of YAML the reader has."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ruamel.yaml import YAML

from asya_schemas.actor.yaml_text import to_yaml

# Surrogates are no characters; the rest is what JSON may hold.
texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
values = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**12), 10**12) | texts,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4),
    max_leaves=12,
)
AMBIGUOUS = [
    "yes",
    "No",
    "on",
    "y",
    "012",
    "0o12",
    "1:30",
    "1e3",
    "2024-01-01",
    "~",
    "null",
    ".5",
    ".inf",
    "=",
    "<<",
    "",
    "a: b",
]


def read(text: str, version: tuple[int, int]) -> Any:
    yaml = YAML(typ="safe", pure=True)
    yaml.version = version
    return yaml.load(text)


@pytest.mark.parametrize("version", [(1, 1), (1, 2)])
@given(value=values)
def test_every_value_comes_back(version: tuple[int, int], value: Any) -> None:
    assert read(to_yaml({"value": value}), version) == {"value": value}


@pytest.mark.parametrize("version", [(1, 1), (1, 2)])
@pytest.mark.parametrize("text", AMBIGUOUS)
def test_text_that_looks_like_something_else_stays_text(text: str, version: tuple[int, int]) -> None:
    assert read(to_yaml([text]), version) == [text]


def test_the_order_of_keys_is_kept_and_lists_begin_under_their_key() -> None:
    assert to_yaml({"b": [{"z": 1, "a": "x"}], "a": {}}) == "b:\n- z: 1\n  a: x\na: {}\n"
