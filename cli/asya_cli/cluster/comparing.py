"""What applying some files would change in a cluster: the AsyncActors, and what the controller would then apply for them.

Called by `asya diff`. Every object is applied for trial (server-side dry run) and the answer is held against the live one, so that
defaults, merges and admission are the API server's own. Writes nothing.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from asya_cli import notes
from asya_cli.cluster.connection import Cluster
from asya_cli.cluster.difference import Difference, difference
from asya_cli.cluster.rendering import Renderer
from asya_controller.act.api import CHILDREN, decode
from asya_controller.act.api_errors import ApiError, NoAnswer, NotFound
from asya_controller.act.kinds import (
    ACTOR,
    BY_NAME,
    CONFIG_MAP,
    KEDA_KINDS,
    SCALED_OBJECT,
    TRIGGER_AUTHENTICATION,
    WORKLOADS,
    Kind,
)
from asya_controller.decide.source.applyset import MANAGER
from asya_controller.decide.source.documents import LoadedActor
from asya_controller.decide.source.sync import Key, Pass, Rules, key_of, wanted
from asya_schemas.actor import effective
from asya_schemas.actor.identity import SUSPEND_ANNOTATION

Json = Mapping[str, Any]
# What of an actor a child is made of, as far as one place can be named.
WHENCE: Mapping[str, tuple[str, ...]] = {
    **dict.fromkeys((kind.name for kind in WORKLOADS), ("spec", "workload", "template", "spec")),
    **dict.fromkeys((kind.name for kind in KEDA_KINDS), ("spec", "scaling")),
}


class Comparison:
    """One `asya diff`. Without `renderer` only the AsyncActors are compared."""

    def __init__(self, cluster: Cluster, rules: Rules, renderer: Renderer | None) -> None:
        self._api = cluster.api
        self._rules = rules
        self._renderer = renderer
        self._told: set[str] = set()
        self.refused = False
        """Whether something would not be applied, which was said."""

    def run(self, actors: Sequence[LoadedActor], planned: Pass) -> Iterator[Difference]:
        """Every difference, in the order of the files. `planned` is the pass that a sync would do."""
        changed = {apply.key for apply in planned.applies}
        for actor in actors:
            item = wanted(actor, self._rules, "")
            live = self._live(ACTOR, key_of(item))
            if live is not None and live["metadata"].get("deletionTimestamp"):
                self._note(f"AsyncActor {actor.name} is being deleted: it is not compared")
                continue
            same = live is not None and key_of(item) not in changed
            trial = dict(live) if live is not None and same else self._tried(actor, ACTOR, item, MANAGER)
            if trial is not None:
                if found := difference(live, trial):
                    yield found
                yield from self._children(actor, trial)
        for gone in planned.deletes:
            if found := difference({"apiVersion": ACTOR.api_version, "kind": ACTOR.name, **gone}, None):
                yield found

    def _children(self, actor: LoadedActor, document: Json) -> Iterator[Difference]:
        if self._renderer is None:
            return
        if (document["metadata"].get("annotations") or {}).get(SUSPEND_ANNOTATION) == "true":
            self._note(f"AsyncActor {actor.name} is suspended: nothing is applied for it")
            return
        if problem := self._renderer.problem(actor, document):
            self._refuse(f"{problem}: nothing is applied for it")
            return
        namespace, name = key_of(document)
        workload = self._live(BY_NAME[effective.kind(document["spec"])], (namespace, name))
        script = script_of(workload)
        if script is None:
            yield from self._child(actor, document, self._renderer.config_maps([namespace])[0])
        children = self._renderer.children(document, script)
        for child in children:
            yield from self._child(actor, document, child)
        yield from self._unwanted(document, {str(child["kind"]) for child in children})

    def _child(self, actor: LoadedActor, document: Json, child: dict[str, Any]) -> Iterator[Difference]:
        kind = BY_NAME[child["kind"]]
        live = self._live(kind, key_of(child))
        if live is not None and kind is not CONFIG_MAP and not owned(live, document):
            what = f"{kind.name} {child['metadata']['name']} is not owned by this AsyncActor: it is left alone"
            self._refuse(str(actor.problem(("metadata", "name"), what)))
            return
        trial = self._tried(actor, kind, child, CHILDREN)
        if trial is None:
            return
        if live is None and kind in WORKLOADS and effective.scaling_enabled(document["spec"]):
            trial["spec"]["replicas"] = effective.min_replicas(document["spec"])  # what the controller creates it with
        if found := difference(live, trial):
            yield found

    def _unwanted(self, document: Json, kinds: set[str]) -> Iterator[Difference]:
        """Children of an earlier spec, which the controller would remove."""
        namespace, name = key_of(document)
        others = [(kind, name) for kind in (SCALED_OBJECT, *WORKLOADS)]
        for kind, child in [*others, (TRIGGER_AUTHENTICATION, f"{name}-trigger-auth")]:
            if kind.name in kinds:
                continue
            live = self._live(kind, (namespace, child))
            if live is not None and owned(live, document) and (found := difference(live, None)):
                yield found

    def _live(self, kind: Kind, key: Key) -> Json | None:
        try:
            return self._api.get(kind, *key)
        except NotFound:
            return None

    def _tried(self, actor: LoadedActor, kind: Kind, item: dict[str, Any], manager: str) -> dict[str, Any] | None:
        """The object as the server would keep it; None, with a note, where it will not say."""
        path = WHENCE.get(kind.name, ("metadata", "name"))
        try:
            return self._api.apply(item, kind, manager, dry_run=True, read=decode)
        except NoAnswer:
            raise
        except NotFound:
            missing = "KEDA is not installed" if kind in KEDA_KINDS else f"the cluster knows no {kind.plural} there"
            self._refuse(str(actor.problem(path, f"{kind.name} {item['metadata']['name']} is not compared: {missing}")))
        except ApiError as error:
            what = f"the cluster refuses {kind.name} {item['metadata']['name']}: {error.message}"
            self._refuse(str(actor.problem(path, what)))
        return None

    def _refuse(self, text: str) -> None:
        self.refused = True
        self._note(text)

    def _note(self, text: str) -> None:
        if text not in self._told:
            self._told.add(text)
            notes.say(text)


def owned(live: Json, document: Json) -> bool:
    """Whether the object's controller is this AsyncActor."""
    owners = live["metadata"].get("ownerReferences") or ()
    return any(owner.get("controller") and owner.get("uid") == document["metadata"].get("uid") for owner in owners)


def script_of(workload: Json | None) -> str | None:
    """The runtime ConfigMap that a workload mounts: whoever compares files need not have the controller's script."""
    if workload is None:
        return None
    volumes = workload["spec"]["template"]["spec"].get("volumes") or ()
    found = next((v.get("configMap") for v in volumes if v.get("name") == "asya-runtime"), None)
    return str(found["name"]) if found else None
