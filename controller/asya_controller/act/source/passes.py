"""One pass of the file source: read, compare, try, write (contract: cli, "asya sync").

Called by `asya sync` once and by loop.py again and again. All or nothing: what the files or the API server refuse anywhere is found
before anything is written, by checking all files and by a dry run of every apply. Every write can be repeated, so a pass that is killed
anywhere is finished by the next one.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from asya_controller.act.api import Api
from asya_controller.act.api_errors import ApiError, Busy, Conflict, NotFound
from asya_controller.act.kinds import ACTOR, CONFIG_MAP
from asya_controller.act.source.snapshot import Snapshot, take
from asya_controller.decide.source.applyset import (
    MANAGER,
    NAMESPACES,
    PART_OF,
    REVISION,
    ApplySet,
    annotations_of,
    labels_of,
)
from asya_controller.decide.source.checking import check, errors_of
from asya_controller.decide.source.documents import FileProblem
from asya_controller.decide.source.sync import Apply, Key, Pass, Rules, key_of, plan_pass

Json = Mapping[str, Any]


class Refused(Exception):
    """The set cannot be used: its name belongs to something else, or AsyncActors are not known here."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a pass did. `planned` is None when the files were refused before the cluster was asked."""

    revision: str
    digest: str
    problems: tuple[FileProblem, ...] = ()
    planned: Pass | None = None
    written: bool = False

    @property
    def settled(self) -> bool:
        """Nothing is left to do until the files or the cluster change."""
        return not self.problems and self.planned is not None and not self.planned.going


class Source:
    """A set of files and the cluster they are for. `version` is ours, named as the set's tool."""

    def __init__(self, api: Api, paths: Sequence[Path], rules: Rules, version: str) -> None:
        self.paths = tuple(paths)
        self.rules = rules
        self._api = api
        self._version = version

    def look(self) -> Snapshot:
        """Read the files. Raises as `snapshot.take`."""
        return take(self.paths, self.rules.namespace)

    def run(self, seen: Snapshot, dry_run: bool = False) -> Outcome:
        """One pass for what was read.

        Raises:
            Refused: see there.
            ApiError: the API server could not be asked, or failed in the middle; the next pass goes on.
        """
        problems = errors_of(check(seen.loaded, source=True))
        if problems:
            return Outcome(seen.revision, seen.digest, tuple(problems))
        parent = self._parent()
        if why := self.rules.set.not_ours(parent):
            raise Refused(why)
        spaces = {actor.document["metadata"].get("namespace") or self.rules.namespace for actor in seen.loaded.actors}
        reachable = self.rules.set.namespaces_of(parent) | spaces
        live = self._live(reachable & set(self.rules.allowed) if self.rules.allowed else reachable)
        planned = plan_pass(seen.loaded.actors, live, self.rules, seen.revision)
        problems = list(planned.problems) or list(self._tried(planned.applies))
        if problems or dry_run:
            return Outcome(seen.revision, seen.digest, tuple(problems), planned)
        self._write(planned, live, parent, spaces, seen.revision)
        return Outcome(seen.revision, seen.digest, (), planned, written=True)

    def _parent(self) -> Json | None:
        try:
            return self._api.get(CONFIG_MAP, self.rules.set.namespace, self.rules.set.name)
        except NotFound:
            return None

    def _live(self, namespaces: Iterable[str]) -> dict[Key, Json]:
        found: dict[Key, Json] = {}
        for namespace in sorted(namespaces):
            try:
                for items, _ in self._api.pages(ACTOR, namespace):
                    found |= {key_of(item): item for item in items}
            except NotFound:
                raise Refused(
                    "the cluster does not know AsyncActors: install them with `asya crd | kubectl apply --server-side -f -`"
                ) from None
        return found

    def _tried(self, applies: Iterable[Apply]) -> Iterable[FileProblem]:
        """What the API server would refuse."""
        for apply in applies:
            try:
                self._api.apply(apply.object, ACTOR, MANAGER, dry_run=True, strict=True)
            except (Busy, Conflict):
                raise
            except ApiError as error:
                if not 400 <= error.code < 500:
                    raise
                yield apply.actor.problem(("metadata", "name"), f"the cluster refuses it: {error.message}")

    def _write(
        self, planned: Pass, live: Mapping[Key, Json], parent: Json | None, spaces: set[str], revision: str
    ) -> None:
        """Inventory first and wide, then members, then the inventory as it is: a member is never outside of it."""
        old = self.rules.set.namespaces_of(parent)
        if planned.applies and (parent is None or not spaces <= old):
            self._record(old | spaces, annotations_of(parent or {}).get(REVISION, ""))
        for apply in planned.applies:
            self._api.apply(apply.object, ACTOR, MANAGER, strict=True)
        for item in planned.deletes:
            self._delete(item)
        gone = {key_of(item) for item in planned.deletes}
        kept = {key[0] for key in _members(live, self.rules.set) if key not in gone} | spaces
        recorded = annotations_of(parent or {})
        as_it_is = self.rules.set.parent(kept, revision, self._version)["metadata"]["annotations"]
        if any(recorded.get(name) != as_it_is[name] for name in (NAMESPACES, REVISION)):
            self._record(kept, revision)

    def _record(self, namespaces: Iterable[str], revision: str) -> None:
        self._api.apply(self.rules.set.parent(namespaces, revision, self._version), CONFIG_MAP, MANAGER)

    def _delete(self, item: Json) -> None:
        namespace, name = key_of(item)
        try:
            self._api.delete(ACTOR, namespace, name, str(item["metadata"]["uid"]))
        except (NotFound, Conflict):
            # Gone meanwhile, or another object now: neither is what the decision was about.
            return


def _members(live: Mapping[Key, Json], mine: ApplySet) -> Iterable[Key]:
    return (key for key, item in live.items() if labels_of(item).get(PART_OF) == mine.id)
