"""What does one pass of the file source write?

From the actors of the files and the live ones to the applies and deletes of a pass (contract: cli, "asya sync"). A pass is all or
nothing: with one problem anywhere it applies nothing and deletes nothing. Called by act/source/loop.py and by `asya diff`. Pure.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from asya_controller.decide.desired import hashed
from asya_controller.decide.plan import difference
from asya_controller.decide.source.applyset import PART_OF, REVISION, ApplySet, claimed_by, labels_of
from asya_controller.decide.source.documents import FileProblem, LoadedActor

Key = tuple[str, str]
"""Namespace and name."""
Json = Mapping[str, Any]
_METADATA = ("name", "namespace", "labels", "annotations")
MOST_DELETES = 10


@dataclass(frozen=True, slots=True)
class Rules:
    """What a source may do. `namespace` is where actors go whose file names none; `allowed` are the only ones there are, if any."""

    set: ApplySet
    namespace: str
    prune: bool = False
    allow_empty: bool = False
    most_deletes: int = MOST_DELETES
    allowed: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Apply:
    """One actor that differs. `why` is `created`, `changed` (the file is another) or `drifted` (somebody changed the object)."""

    actor: LoadedActor
    object: dict[str, Any]
    why: str

    @property
    def key(self) -> Key:
        """Namespace and name."""
        return key_of(self.object)


@dataclass(frozen=True, slots=True)
class Pass:
    """One pass. With `problems` nothing is to be written. `held_back` says why deletes were refused; `notes` are for people."""

    applies: tuple[Apply, ...] = ()
    unchanged: tuple[Key, ...] = ()
    deletes: tuple[Json, ...] = ()
    going: tuple[Key, ...] = ()
    """Wanted, but the object of that name is still being deleted: look again."""
    problems: tuple[FileProblem, ...] = ()
    held_back: str | None = None
    notes: tuple[str, ...] = field(default=())


def wanted(actor: LoadedActor, rules: Rules, revision: str) -> dict[str, Any]:
    """The object as it is applied: what the file says, the set's label, the revision; no more of metadata than files may set."""
    document = actor.document
    given = document.get("metadata") or {}
    metadata = {name: given[name] for name in _METADATA if given.get(name)}
    metadata["namespace"] = given.get("namespace") or rules.namespace
    metadata["labels"] = {**metadata.get("labels", {}), PART_OF: rules.set.id}
    # Hashed before the revision is added: a commit that changes other files does not touch this actor.
    item = hashed(
        {"apiVersion": document["apiVersion"], "kind": document["kind"], "metadata": metadata, "spec": document["spec"]}
    )
    item["metadata"]["annotations"][REVISION] = revision
    return item


def plan_pass(actors: Sequence[LoadedActor], live: Mapping[Key, Json], rules: Rules, revision: str) -> Pass:
    """The pass for valid `actors`. `live` holds every AsyncActor of the namespaces in which members may be."""
    applies, unchanged, going, problems = [], [], [], []
    keys = set()
    for actor in actors:
        item = wanted(actor, rules, revision)
        key = key_of(item)
        keys.add(key)
        there = live.get(key)
        if rules.allowed and key[0] not in rules.allowed:
            message = f"namespace {key[0]} is none of those that are watched: {', '.join(rules.allowed)}"
            problems.append(actor.problem(("metadata", "namespace"), message))
        elif there is not None and (owner := claimed_by(there, rules.set)):
            message = f"AsyncActor {key[1]} in namespace {key[0]} belongs to {owner}: one of the two has to let it go"
            problems.append(actor.problem(("metadata", "name"), message))
        elif there is not None and there["metadata"].get("deletionTimestamp"):
            going.append(key)
        elif why := _difference(there, item):
            applies.append(Apply(actor, item, why))
        else:
            unchanged.append(key)
    if problems:
        return Pass(problems=tuple(problems))
    deletes, held_back, notes = pruned(live, keys, rules) if rules.prune else ((), None, ())
    return Pass(tuple(applies), tuple(unchanged), deletes, tuple(going), held_back=held_back, notes=notes)


def _difference(there: Json | None, item: dict[str, Any]) -> str | None:
    if there is None:
        return "created"
    # The revision alone is no difference.
    annotations = {name: value for name, value in item["metadata"]["annotations"].items() if name != REVISION}
    return difference(there, {**item, "metadata": {**item["metadata"], "annotations": annotations}})


def pruned(
    live: Mapping[Key, Json], keys: set[Key], rules: Rules
) -> tuple[tuple[Json, ...], str | None, tuple[str, ...]]:
    """Members that are in no file any more, why they are kept after all, and what to tell about others."""
    members = {
        key: item
        for key, item in live.items()
        if labels_of(item).get(PART_OF) == rules.set.id and not item["metadata"].get("deletionTimestamp")
    }
    stale, notes = [], []
    for key, item in sorted(members.items()):
        if key in keys:
            continue
        if owner := claimed_by(item, rules.set):
            notes.append(f"{'/'.join(key)} is in no file, but belongs to {owner}: kept")
        else:
            stale.append(item)
    held_back = _guard(stale, len(members), rules)
    return () if held_back else tuple(stale), held_back, tuple(notes)


def _guard(stale: Sequence[Json], members: int, rules: Rules) -> str | None:
    """Why these deletes look like an accident."""
    names = ", ".join("/".join(key_of(item)) for item in stale[: MOST_DELETES + 1])
    if stale and len(stale) == members and not rules.allow_empty:
        return (
            f"would delete every actor of the set ({names}), so nothing is deleted; if that is meant, add --allow-empty"
        )
    if len(stale) > rules.most_deletes:
        return (
            f"would delete {len(stale)} actors ({names}{', ...' if len(stale) > MOST_DELETES + 1 else ''}), more than "
            f"--max-deletes {rules.most_deletes}, so nothing is deleted; if that is meant, raise it"
        )
    return None


def key_of(item: Json) -> Key:
    """Namespace and name of an object."""
    return str(item["metadata"]["namespace"]), str(item["metadata"]["name"])
