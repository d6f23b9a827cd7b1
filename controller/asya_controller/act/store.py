"""What is known of all objects of one kind: filled by a watch, corrected by our own writes, read by passes.

One for each kind. Objects are kept as JSON text, which takes a fifth of the memory of parsed ones; a pass parses what it reads.
Thread-safe. Must not decide what a change means: it tells its listener that something relevant has changed.
"""

import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

from asya_controller.act.kinds import ACTOR, Kind
from asya_controller.act.slim import ownership, slim
from asya_controller.decide.ownership import Ownership

Json = Mapping[str, Any]
Name = tuple[str, str]
"""Namespace and name."""

ACTOR_LABEL = "asya.sh/actor"


@dataclass(frozen=True, slots=True)
class Kept:
    """One object. `actor` is the name it is filed under; `text` is what slim.py keeps of it, without its resource version; `news` is
    the part of it whose change is worth a pass.
    """

    name: Name
    uid: str
    version: int
    actor: str
    owner: str
    text: bytes
    news: bytes
    fields: Ownership

    def read(self) -> dict[str, Any]:
        """The object, parsed anew: whoever asks may change it."""
        found: dict[str, Any] = msgspec.json.decode(self.text)
        found["metadata"]["resourceVersion"] = str(self.version)
        return found


Listener = Callable[[Kept | None, Kept | None], None]
"""Called with an object before and after; one of them is None when it came or went. Under the store's lock: it must only enqueue."""
News = Callable[[Json], Any]
"""What of a kept object matters to a pass; None: all of it."""


class Store:
    """All objects of one kind."""

    def __init__(self, kind: Kind, listener: Listener, news: News | None = None) -> None:
        self.kind = kind
        self._news = news
        self._listener = listener
        self._lock = threading.RLock()
        self._objects: dict[Name, Kept] = {}
        self._of_actor: dict[Name, dict[Name, None]] = {}
        self._seen = 0

    # reading

    def get(self, name: Name) -> Kept | None:
        """One object."""
        return self._objects.get(name)

    def has(self, name: Name, version: int) -> bool:
        """Whether this version of an object, or a later one, is known."""
        kept = self._objects.get(name)
        return kept is not None and kept.version >= version

    def of_actor(self, actor: Name) -> list[Kept]:
        """The objects filed under an actor."""
        with self._lock:
            return [self._objects[name] for name in self._of_actor.get(actor, ())]

    def all(self) -> list[Kept]:
        """Every object."""
        with self._lock:
            return list(self._objects.values())

    def __len__(self) -> int:
        return len(self._objects)

    # what the watch says

    def replace(self, items: Iterable[Kept], version: str, namespace: str | None) -> None:
        """A complete list of `namespace` (None: of all): what is not in it is gone, unless we wrote it after the list was made."""
        seen = int(version)
        with self._lock:
            there = {self._put(item) for item in items}
            for name, kept in list(self._objects.items()):
                if name not in there and namespace in (None, name[0]) and kept.version <= seen:
                    self._drop(name)
            self._seen = max(self._seen, seen)

    def changed(self, event: str, item: Json) -> None:
        """One event of the watch, bookmarks included."""
        version = int(item["metadata"]["resourceVersion"])
        kept = self.keep(item) if event in ("ADDED", "MODIFIED") else None
        with self._lock:
            self._seen = max(self._seen, version)
            if kept is not None:
                self._put(kept)
            elif event == "DELETED":
                name = name_of(item)
                known = self._objects.get(name)
                if known is not None and known.version <= version:
                    self._drop(name)

    def clear(self) -> None:
        """The kind is not served any more."""
        with self._lock:
            for name in list(self._objects):
                self._drop(name)

    # what we wrote ourselves

    def wrote(self, item: Json) -> Kept:
        """The answer to one of our writes, so that the next pass sees it at once. One older than what the watch has shown is not filed:
        the object may be gone since. Given back in either case is what we wrote, whatever others have made of it by now.
        """
        kept = self.keep(item)
        with self._lock:
            known = self._objects.get(kept.name)
            if kept.version > (known.version if known else self._seen):
                self._file(kept)
            return kept

    # inside

    def keep(self, item: Json) -> Kept:
        """What is kept of an object, not filed yet."""
        found = slim(self.kind, item)
        meta = found["metadata"]
        version = int(meta.pop("resourceVersion"))
        owners: list[Json] = [item for item in meta.get("ownerReferences") or () if item.get("controller")]
        owner = owners[0] if owners else {}
        by_owner = owner.get("name") if owner.get("kind") == ACTOR.name else None
        actor = by_owner or (meta.get("labels") or {}).get(ACTOR_LABEL) or ""
        text = msgspec.json.encode(found)
        return Kept(
            name=(str(meta.get("namespace") or ""), str(meta["name"])),
            uid=str(meta["uid"]),
            version=version,
            actor=str(actor),
            owner=str(owner.get("uid") or ""),
            text=text,
            news=text if self._news is None else msgspec.json.encode(self._news(found)),
            fields=ownership(item["metadata"]),
        )

    def _put(self, kept: Kept) -> Name:
        known = self._objects.get(kept.name)
        if known is None or known.version < kept.version:
            self._file(kept)
        return kept.name

    def _file(self, kept: Kept) -> None:
        known = self._objects.get(kept.name)
        if known is not None and known.actor != kept.actor:
            self._unfile(known)
        self._objects[kept.name] = kept
        self._of_actor.setdefault((kept.name[0], kept.actor), {})[kept.name] = None
        if known is None or (known.news, known.uid, known.fields) != (kept.news, kept.uid, kept.fields):
            self._listener(known, kept)

    def _drop(self, name: Name) -> None:
        kept = self._objects.pop(name)
        self._unfile(kept)
        self._listener(kept, None)

    def _unfile(self, kept: Kept) -> None:
        actor = (kept.name[0], kept.actor)
        filed = self._of_actor.get(actor)
        if filed is not None:
            filed.pop(kept.name, None)
            if not filed:
                del self._of_actor[actor]


def name_of(item: Json) -> Name:
    """Namespace and name of an object."""
    return str(item["metadata"].get("namespace") or ""), str(item["metadata"]["name"])


def parsed(found: Iterable[Kept]) -> Iterator[dict[str, Any]]:
    """The objects, parsed."""
    return (kept.read() for kept in found)
