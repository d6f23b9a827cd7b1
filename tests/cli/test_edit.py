"""Edits change the wanted value and not one other character."""

import difflib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asya_cli.edit import CannotEdit, append_item, remove_item, set_value
from asya_controller.decide.source.yaml_nodes import Values, compose

TEXT = """\
# top
metadata: {name: hello}   # in one line
spec:
  transport: 'rabbitmq'   # single
  scaling:
    # before
    enabled: false # why
    # after

  # about workload
  workload:
    containers:
      - name: asya-runtime
        image: "registry.example.com/hello:1.0.0" # double
        # env follows
        env:
          - name: A
            value: one
          # second
          - {name: B, value: "2"}
      - {name: cache, image: redis}
  text: |
    several
    lines

  empty:
  null_in_flow: {a: , b: 1}
---
kind: Other
"""
ENV = ("spec", "workload", "containers", 0, "env")


def changed(before: str, after: str) -> list[str]:
    """Added and removed lines."""
    lines = difflib.unified_diff(before.splitlines(), after.splitlines(), lineterm="", n=0)
    return [line for line in lines if line[0] in "+-" and not line.startswith(("+++", "---"))]


@pytest.mark.parametrize(
    ("path", "value", "expected"),
    [
        (("spec", "transport"), "sqs", ["-  transport: 'rabbitmq'   # single", "+  transport: 'sqs'   # single"]),
        (("spec", "transport"), "it's", ["-  transport: 'rabbitmq'   # single", "+  transport: 'it''s'   # single"]),
        (("spec", "scaling", "enabled"), True, ["-    enabled: false # why", "+    enabled: true # why"]),
        (
            ("spec", "workload", "containers", 0, "image"),
            "x:2",
            [
                '-        image: "registry.example.com/hello:1.0.0" # double',
                '+        image: "x:2" # double',
            ],
        ),
        (
            ("spec", "workload", "containers", 1, "image"),
            "redis:7",
            ["-      - {name: cache, image: redis}", "+      - {name: cache, image: redis:7}"],
        ),
        (("spec", "scaling", "maxReplicas"), 3, ["+    maxReplicas: 3"]),
        (("spec", "scaling", "advanced", "target"), "4", ["+    advanced:", '+      target: "4"']),
        (("spec", "timeout", "processing"), 9, ["+  timeout:", "+    processing: 9"]),
        (("spec", "empty"), 1, ["-  empty:", "+  empty: 1"]),
        (("spec", "empty", "a", "b"), 1, ["+    a:", "+      b: 1"]),
        (("spec", "text"), "x", ["-  text: |", "-    several", "-    lines", "+  text: x"]),
        (("spec", "null_in_flow", "a"), 1, ["-  null_in_flow: {a: , b: 1}", "+  null_in_flow: {a: 1 , b: 1}"]),
        (
            ("metadata", "namespace"),
            "nlp",
            ["-metadata: {name: hello}   # in one line", "+metadata: {name: hello, namespace: nlp}   # in one line"],
        ),
    ],
)
def test_a_value_is_set_in_its_place_and_style(path: tuple[str | int, ...], value: object, expected: list[str]) -> None:
    assert changed(TEXT, set_value(TEXT, 0, path, value)) == expected


def test_the_wanted_document_of_a_file_is_edited() -> None:
    assert changed(TEXT, set_value(TEXT, 1, ("kind",), "New")) == ["-kind: Other", "+kind: New"]


def test_an_item_is_added_as_the_last_one_is_written() -> None:
    after = append_item(TEXT, 0, ENV, {"name": "C", "value": "a, b"})
    assert changed(TEXT, after) == ['+          - {name: C, value: "a, b"}']


def test_an_item_is_added_to_a_list_that_was_not_there() -> None:
    after = append_item(TEXT, 0, ("spec", "sidecar", "env"), {"name": "C", "value": "yes"})
    assert changed(TEXT, after) == ["+  sidecar:", "+    env:", "+      - name: C", '+        value: "yes"']


def test_lists_are_indented_as_the_file_does_it() -> None:
    text = "spec:\n  a:\n  - x: 1\n  b: {}\n"
    assert append_item(text, 0, ("spec", "env"), {"name": "C"}) == text + "  env:\n  - name: C\n"


def test_an_item_is_removed_with_all_its_lines() -> None:
    assert changed(TEXT, remove_item(TEXT, 0, ENV, 0)) == ["-          - name: A", "-            value: one"]


def test_the_last_item_leaves_an_empty_list() -> None:
    once = remove_item(TEXT, 0, ENV, 0)
    assert "        env: []\n" in remove_item(once, 0, ENV, 0)


@pytest.mark.parametrize(("index", "expected"), [(0, "a: [{b: 2}, {b: 3}]"), (2, "a: [{b: 1}, {b: 2}]")])
def test_an_item_is_removed_from_a_list_in_one_line(index: int, expected: str) -> None:
    assert remove_item("a: [{b: 1}, {b: 2}, {b: 3}]", 0, ("a",), index) == expected


def test_a_file_without_a_line_end_gets_none() -> None:
    assert set_value("a: 1", 0, ("b",), 2) == "a: 1\nb: 2"


def test_line_ends_of_another_system_are_kept() -> None:
    assert set_value("a: 1\r\nb: 2\r\n", 0, ("c",), 3) == "a: 1\r\nb: 2\r\nc: 3\r\n"


def test_an_alias_is_not_edited_behind_the_back_of_its_other_uses() -> None:
    text = "a: &a {x: 1}\nb: *a\n"
    with pytest.raises(CannotEdit, match="alias of what stands in line 1"):
        set_value(text, 0, ("b", "x"), 2)


def test_an_anchor_is_not_edited_while_an_alias_repeats_it() -> None:
    with pytest.raises(CannotEdit, match="something else would change with it"):
        set_value("a: &a {x: 1}\nb: *a\n", 0, ("a", "x"), 2)


def test_a_merged_value_is_overridden_where_it_is_used() -> None:
    text = "a: &a {x: 1}\nb:\n  <<: *a\n"
    assert set_value(text, 0, ("b", "x"), 2) == text + "  x: 2\n"


def test_a_block_is_not_replaced_by_a_value() -> None:
    with pytest.raises(CannotEdit, match="a block stands where a single value is expected"):
        set_value(TEXT, 0, ("spec", "scaling"), 1)


@given(
    st.text(st.characters(exclude_categories=["Cs"]), max_size=12),
    st.sampled_from(
        ["a: plain # c\n", "a: 'single'\n", 'a: "double"\n', "{a: flow, b: 1}\n", "a: |\n  block\n", "a:\n", "b: 1\n"]
    ),
)
def test_any_text_can_stand_anywhere(value: str, text: str) -> None:
    after = set_value(text, 0, ("a",), value)
    assert Values().of(compose(after)[0])["a"] == value
