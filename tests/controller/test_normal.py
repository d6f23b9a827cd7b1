"""What is seen at a glance must be what the normal forms say."""

import copy
from typing import Any

import hypothesis.strategies as st
from hypothesis import given, settings

from asya_controller.decide.normal import contains, evident, normal
from tests.controller.worlds import actor, config, desired_of, scaled

# Names whose maps and lists have rules of their own, and some without any.
KEYS = st.sampled_from(
    (
        "labels",
        "limits",
        "emptyDir",
        "selector",
        "sizeLimit",
        "containers",
        "env",
        "name",
        "ports",
        "protocol",
        "value",
        "x",
    )
)
LEAVES = st.sampled_from((None, "", "a", "1k", "1000", 0, 1, 1000, 1.0, True, False))
VALUES = st.recursive(
    LEAVES, lambda below: st.lists(below, max_size=3) | st.dictionaries(KEYS, below, max_size=4), max_leaves=12
)


@settings(deadline=None)
@given(VALUES, VALUES)
def test_what_is_evident_is_contained(live: Any, wanted: Any) -> None:
    if evident(live, wanted):
        assert contains(normal(live), normal(wanted))


@settings(deadline=None)
@given(VALUES)
def test_a_value_is_evidently_in_itself_as_soon_as_it_is_contained(value: Any) -> None:
    if evident(value, copy.deepcopy(value)):
        assert contains(normal(value), normal(value))


def test_children_as_a_server_keeps_them_are_evident() -> None:
    for item in desired_of(actor(scaled()), config()).children:
        live = copy.deepcopy(item)
        live["metadata"]["uid"] = "u"
        live["status"] = {"replicas": 1}
        for container in item.get("spec", {}).get("template", {}).get("spec", {}).get("containers", ()):
            at = next(one for one in live["spec"]["template"]["spec"]["containers"] if one["name"] == container["name"])
            at["env"] = [{name: text for name, text in entry.items() if text != ""} for entry in container["env"]]
            at["terminationMessagePath"] = "/dev/termination-log"
        assert evident(live, item), item["kind"]


def test_another_image_is_not_evident() -> None:
    wanted = desired_of(actor(scaled()), config()).workload
    live = copy.deepcopy(wanted)
    live["spec"]["template"]["spec"]["containers"][0]["image"] = "registry.example.com/other:1"
    assert not evident(live, wanted)
