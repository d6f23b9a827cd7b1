"""What a store keeps, and what it takes for news."""

from typing import Any

import msgspec

from asya_controller.act import parts
from asya_controller.act.kinds import DEPLOYMENT, POD
from asya_controller.act.store import Kept, Store

Json = dict[str, Any]


def deployment(version: int, name: str = "a", image: str = "x", **meta: Any) -> Json:
    owner = {"kind": "AsyncActor", "name": "a", "uid": "u", "controller": True}
    metadata = {
        "name": name,
        "namespace": "n",
        "uid": f"uid-{name}",
        "resourceVersion": str(version),
        "ownerReferences": [owner],
    }
    return arrived({"metadata": metadata | meta, "spec": {"template": {"image": image}}, "status": {}})


def arrived(item: Json) -> Json:
    """The object as a watch brings it."""
    found: Any = parts.read(msgspec.json.encode(item))
    return dict(found)


class Told:
    """Collects what a store tells."""

    def __init__(self) -> None:
        self.changes: list[tuple[bool, bool]] = []

    def __call__(self, before: Kept | None, after: Kept | None) -> None:
        self.changes.append((before is not None, after is not None))


def filled(*items: Json) -> tuple[Store, Told]:
    told = Told()
    store = Store(DEPLOYMENT, told)
    store.replace([store.keep(item) for item in items], "10", None)
    told.changes.clear()
    return store, told


def image(store: Store) -> str:
    kept = store.get(("n", "a"))
    assert kept is not None
    return str(kept.read()["spec"]["template"]["image"])


def test_only_what_changes_something_is_news() -> None:
    store, told = filled(deployment(5))
    store.changed("MODIFIED", deployment(11))
    store.changed("BOOKMARK", {"metadata": {"resourceVersion": "12"}})
    assert told.changes == []
    store.changed("MODIFIED", deployment(13, image="y"))
    assert told.changes == [(True, True)]


def test_our_own_write_is_seen_before_the_watch_tells_it() -> None:
    store, _ = filled(deployment(5))
    store.wrote(deployment(20, image="y"))
    store.changed("MODIFIED", deployment(15, image="older"))
    assert image(store) == "y"


def test_an_answer_that_the_watch_has_overtaken_does_not_bring_an_object_back() -> None:
    store, _ = filled(deployment(5))
    store.changed("DELETED", deployment(21))
    store.wrote(deployment(20, image="y"))
    assert store.get(("n", "a")) is None


def test_a_list_made_before_our_write_does_not_remove_what_we_made() -> None:
    store, told = filled()
    store.wrote(deployment(20))
    store.replace([], "15", None)
    assert store.get(("n", "a")) is not None
    store.replace([], "25", None)
    assert store.get(("n", "a")) is None
    assert told.changes == [(False, True), (True, False)]


def test_a_list_of_one_namespace_leaves_the_others_alone() -> None:
    store, _ = filled(deployment(5))
    store.replace([], "30", "elsewhere")
    assert store.get(("n", "a")) is not None


def test_an_object_is_filed_under_its_controller() -> None:
    store, _ = filled(deployment(5), deployment(6, "b", labels={"asya.sh/actor": "wrong"}))
    assert {kept.name[1] for kept in store.of_actor(("n", "a"))} == {"a", "b"}


def test_a_pod_keeps_what_the_rules_read() -> None:
    store = Store(POD, Told())
    pod = {
        "metadata": {"name": "p", "namespace": "n", "uid": "1", "resourceVersion": "3", "labels": {"asya.sh/actor": "a"},
                     "managedFields": [{"manager": "kubelet", "fieldsV1": {"f:x": {}}}]},
        "spec": {"containers": [{"name": "c", "env": [{"name": "A", "value": "long"}]}]},
        "status": {"phase": "Running", "hostIP": "1.2.3.4", "conditions": [
            {"type": "Ready", "status": "True", "lastProbeTime": None, "lastTransitionTime": "2026-01-01T00:00:00Z"}]},
    }  # fmt: skip
    kept = store.keep(arrived(pod))
    assert kept.read() == {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": "p",
            "namespace": "n",
            "uid": "1",
            "resourceVersion": "3",
            "labels": {"asya.sh/actor": "a"},
        },
        "status": {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]},
    }


def test_who_owns_which_fields_is_read_off() -> None:
    managed = [
        {
            "manager": "asya-controller",
            "operation": "Apply",
            "fieldsV1": {"f:spec": {"f:replicas": {}, "f:template": {}}},
        },
        {"manager": "asya-replicas-handover", "operation": "Apply", "fieldsV1": {"f:spec": {"f:replicas": {}}}},
        {"manager": "kube-controller-manager", "operation": "Update", "fieldsV1": {"f:status": {}}},
    ]
    store, _ = filled()
    fields = store.keep(deployment(1, managedFields=managed)).fields
    assert (fields.applied is not None, fields.replicas, fields.handover_open) == (True, True, False)
    helper: Any = managed[1]["fieldsV1"]
    helper["f:spec"]["f:template"] = {}
    changed = store.keep(deployment(1, managedFields=managed)).fields
    assert (changed.applied, changed.handover_open) == (fields.applied, True)
