"""Where an envelope has been, is and goes, in both shapes (contract: envelope, Route).

Used by the envelope, the sidecar's decisions and the command line. Must not know the sink, the sump or any queue.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

import msgspec
from msgspec.structs import replace

from asya_schemas import strictjson
from asya_schemas.limits import MAX_ROUTE_NAMES
from asya_schemas.names import is_actor_name
from asya_schemas.refusal import invalid

_NEW_MEMBERS: Final = ("prev", "curr", "next")
_OLD_MEMBERS: Final = ("actors", "current")


class Route(msgspec.Struct, frozen=True):
    """A valid route. `old_shape` is kept on every hop; `extra` are other members as JSON text, carried along."""

    prev: tuple[str, ...]
    curr: str
    next: tuple[str, ...]
    old_shape: bool = False
    extra: Mapping[str, bytes] = {}

    @property
    def hops(self) -> int:
        """Hops done: the position."""
        return len(self.prev)

    @property
    def finished(self) -> bool:
        """Whether nobody is left to be served."""
        return self.curr == ""

    @property
    def actors(self) -> tuple[str, ...]:
        """All names, as the old shape lists them."""
        return (*self.prev, *self._from_here)

    @property
    def _from_here(self) -> tuple[str, ...]:
        return (self.curr, *self.next) if self.curr else ()

    def advanced(self, ahead: Sequence[str] | None = None) -> Route:
        """The route one hop further; `ahead` replaces `next` first, as an envelope-mode handler may.

        A finished route stays as it is: end actors serve it where it ended.
        """
        if self.finished:
            return self
        names = self.next if ahead is None else tuple(ahead)
        return replace(self, prev=(*self.prev, self.curr), curr=names[0] if names else "", next=names[1:])

    def redirect(self, first: str, rest: Sequence[str] = ()) -> Route:
        """The route that leaves this actor for `first`, then `rest`: a policy's `onExhausted`."""
        return self.advanced((first, *rest))

    def encode(self) -> bytes:
        """JSON text in the route's own shape."""
        # Names are DNS labels, so they need no escaping.
        if self.old_shape and self.actors:
            text = f'{{"actors":{_names(self.actors)},"current":{len(self.prev)}'
        else:
            text = f'{{"prev":{_names(self.prev)},"curr":"{self.curr}","next":{_names(self.next)}'
        if self.extra:
            return text.encode() + b"," + strictjson.object_of(self.extra)[1:]
        return text.encode() + b"}"


def parse_route(raw: bytes) -> Route:
    """Read the JSON text of a route. Raises Refused; the text must already be strict JSON (strictjson.check)."""
    return _parse_canonical(raw) or _parse_any(raw)


def follows(before: Route, after: Route) -> bool:
    """Whether `after` is one hop behind `before` with the same history: the check of a runtime's frame."""
    return not before.finished and after.prev == (*before.prev, before.curr)


class _New(msgspec.Struct, forbid_unknown_fields=True):
    prev: list[str]
    curr: str
    next: list[str]


class _Old(msgspec.Struct, forbid_unknown_fields=True):
    actors: list[str]
    current: int


_NEW: Final = msgspec.json.Decoder(_New)
_OLD: Final = msgspec.json.Decoder(_Old)
_ENCODE: Final = msgspec.json.Encoder().encode


def _parse_canonical(raw: bytes) -> Route | None:
    """The quick way for a text exactly as we write it, which also proves that no member stands there twice."""
    try:
        if raw.startswith(b'{"actors"'):
            old = _OLD.decode(raw)
            return _from_old(old.actors, old.current, {}) if _ENCODE(old) == raw else None
        new = _NEW.decode(raw)
    except msgspec.ValidationError:
        return None
    if _ENCODE(new) != raw:
        return None
    route = Route(tuple(new.prev), new.curr, tuple(new.next))
    _check_new(route)
    return route


def _parse_any(raw: bytes) -> Route:
    found = strictjson.members_of(raw)
    if found is None:
        raise invalid("route", "route must be an object with prev, curr and next")
    strictjson.check_unique(raw, found, "route")
    new = any(name in found for name in _NEW_MEMBERS)
    old = any(name in found for name in _OLD_MEMBERS)
    if not new and not old:
        raise invalid("route", "route must have prev, curr and next")
    extra = {name: value for name, value in found.items() if name not in _NEW_MEMBERS and name not in _OLD_MEMBERS}
    if not new:
        return _read_old(found, extra)
    route = _read_new(found, extra)
    if old and _read_old(found, extra) != replace(route, old_shape=True):
        raise invalid("route", "route has prev, curr, next and actors, current, and they do not say the same")
    return route


def _read_new(found: Mapping[str, bytes], extra: Mapping[str, bytes]) -> Route:
    lists: dict[str, tuple[str, ...]] = {}
    for name in ("prev", "next"):
        if name not in found:
            raise invalid(f"route.{name}", f"route.{name} is missing")
        raw = found[name]
        lists[name] = () if raw == b"null" else _read_names(raw, f"route.{name}")
    if "curr" not in found:
        raise invalid("route.curr", "route.curr is missing")
    curr = strictjson.text_in(found["curr"])
    if curr is None:
        raise invalid("route.curr", 'route.curr must be an actor name, or "" when the route is finished')
    route = Route(lists["prev"], curr, lists["next"], extra=extra)
    _check_new(route)
    return route


def _check_new(route: Route) -> None:
    _check_names(route.prev, "route.prev")
    _check_names(route.next, "route.next")
    if route.curr and not is_actor_name(route.curr):
        raise invalid("route.curr", 'route.curr must be an actor name, or "" when the route is finished')
    if not route.curr and route.next:
        raise invalid("route.next", 'route.next must be empty when route.curr is ""')
    for name, names in (("prev", route.prev), ("next", route.next)):
        if len(names) > MAX_ROUTE_NAMES:
            raise invalid(f"route.{name}", f"route.{name} has more than {MAX_ROUTE_NAMES} names")


def _read_old(found: Mapping[str, bytes], extra: Mapping[str, bytes]) -> Route:
    if "actors" not in found:
        raise invalid("route.actors", "route.actors is missing")
    actors = _read_names(found["actors"], "route.actors")
    current = strictjson.integer_in(found["current"]) if "current" in found else 0
    if current is None:
        raise invalid("route.current", "route.current must be an integer")
    return _from_old(actors, current, extra)


def _from_old(actors: Sequence[str], current: int, extra: Mapping[str, bytes]) -> Route:
    _check_names(actors, "route.actors")
    if not actors:
        raise invalid("route.actors", "route.actors must not be empty")
    if not 0 <= current <= len(actors):
        raise invalid("route.current", f"route.current must be from 0 to {len(actors)}, the number of route.actors")
    if current > MAX_ROUTE_NAMES or len(actors) - current - 1 > MAX_ROUTE_NAMES:
        raise invalid("route.actors", f"route.actors has more than {MAX_ROUTE_NAMES} names behind or ahead")
    curr = actors[current] if current < len(actors) else ""
    return Route(tuple(actors[:current]), curr, tuple(actors[current + 1 :]), True, extra)


def _read_names(raw: bytes, path: str) -> tuple[str, ...]:
    items = strictjson.items_of(raw)
    if items is None:
        raise invalid(path, f"{path} must be a list of actor names")
    names: list[str] = []
    for item in items:
        name = strictjson.text_in(item)
        if name is None:
            raise invalid(path, f"{path} must be a list of actor names", f"{path}[{len(names)}]")
        names.append(name)
    return tuple(names)


def _check_names(names: Sequence[str], path: str) -> None:
    for index, name in enumerate(names):
        if not is_actor_name(name):
            raise invalid(path, f"{path} must be a list of actor names", f"{path}[{index}]")


def _names(names: tuple[str, ...]) -> str:
    return '["' + '","'.join(names) + '"]' if names else "[]"
