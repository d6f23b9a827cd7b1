"""Routes are read in both shapes, change by the rules and keep their shape (contract: envelope, Route)."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asya_schemas.names import is_actor_name
from asya_schemas.refusal import Refused
from asya_schemas.route import Route, follows, parse_route

NAMES = st.lists(st.sampled_from(["a", "b", "x-sink", "a1", "z" * 63]), max_size=5).map(tuple)
EXTRA = st.dictionaries(st.sampled_from(["metadata", "é", 'q"']), st.sampled_from([b"1", b'{"k":[1.50]}']), max_size=2)


@st.composite
def routes(draw: st.DrawFn) -> Route:
    prev, ahead, extra = draw(NAMES), draw(NAMES), draw(EXTRA)
    curr = "c" if ahead else draw(st.sampled_from(["", "c"]))
    old_shape = draw(st.booleans()) if prev or curr else False
    return Route(prev, curr, ahead, old_shape, extra)


@given(routes())
def test_reads_back_what_it_wrote(route: Route) -> None:
    assert parse_route(route.encode()) == route


@given(routes(), st.sampled_from([None, 1]))
def test_reads_the_same_however_it_is_spaced(route: Route, indent: int | None) -> None:
    spaced = json.dumps(json.loads(route.encode()), indent=indent).encode()
    assert parse_route(spaced).encode() == Route.encode(parse_route(spaced))
    assert (parse_route(spaced).prev, parse_route(spaced).actors) == (route.prev, route.actors)


@given(routes())
def test_both_shapes_say_the_same(route: Route) -> None:
    if route.actors:
        old = json.dumps({"actors": route.actors, "current": route.hops}).encode()
        assert parse_route(old) == Route(route.prev, route.curr, route.next, old_shape=True)


@given(routes())
def test_an_advanced_route_follows(route: Route) -> None:
    after = route.advanced()
    assert follows(route, after) is not route.finished
    assert after.actors == route.actors
    assert (after.old_shape, after.extra) == (route.old_shape, route.extra)


def test_advance_takes_the_names_ahead_from_the_handler() -> None:
    assert Route(("p",), "a", ("b",)).advanced(("x", "y")) == Route(("p", "a"), "x", ("y",))


def test_advance_behind_the_last_name_finishes() -> None:
    assert Route((), "a", ()).advanced() == Route(("a",), "", ())


def test_a_finished_route_stays_where_it_is() -> None:
    assert Route(("a",), "", ()).advanced() == Route(("a",), "", ())


def test_redirect_leaves_the_actor_for_others() -> None:
    route = Route((), "a", ("b",), old_shape=True)
    assert route.redirect("rescue", ("later",)) == Route(("a",), "rescue", ("later",), old_shape=True)


@pytest.mark.parametrize(
    "after",
    [
        Route(("p",), "a", ("b",)),
        Route(("p", "a", "b"), "", ()),
        Route(("q", "a"), "b", ()),
        Route(("p", "b"), "b", ()),
        Route((), "b", ()),
    ],
    ids=["not advanced", "advanced by two", "other past", "other self", "no past"],
)
def test_another_history_or_position_does_not_follow(after: Route) -> None:
    assert not follows(Route(("p",), "a", ("b",)), after)


def test_members_of_one_shape_and_a_bit_of_the_other_are_refused() -> None:
    with pytest.raises(Refused):
        parse_route(b'{"prev":[],"curr":"a","next":[],"current":0}')


@pytest.mark.parametrize(
    ("raw", "path"),
    [
        (b'{"prev":[],"curr":"a","next":["b","C"]}', "route.next[1]"),
        (b'{"prev":["a",5],"curr":"a","next":[]}', "route.prev[1]"),
        (b'{"actors":["a","b","-"],"current":1}', "route.actors[2]"),
    ],
)
def test_a_refusal_names_the_place(raw: bytes, path: str) -> None:
    with pytest.raises(Refused) as refusal:
        parse_route(raw)
    assert refusal.value.path == path


@pytest.mark.parametrize("current", [257, 0])
def test_old_shape_has_the_same_limits(current: int) -> None:
    raw = json.dumps({"actors": ["a"] * 258, "current": current}).encode()
    with pytest.raises(Refused) as refusal:
        parse_route(raw)
    assert refusal.value.code == "route.actors"


@pytest.mark.parametrize("name", ["a", "0", "a-b", "x" * 63])
def test_a_dns_label_is_an_actor_name(name: str) -> None:
    assert is_actor_name(name)


@pytest.mark.parametrize("name", ["", "-a", "a-", "A", "a_b", "a.b", "x" * 64, "a\n", "é"])
def test_anything_else_is_none(name: str) -> None:
    assert not is_actor_name(name)
