"""What one pass of the file source writes: applies, deletes, and when neither happens."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from asya_controller.decide.source.applyset import (
    NAMESPACES,
    PART_OF,
    REVISION,
    TOOLING,
    ApplySet,
    claimed_by,
)
from asya_controller.decide.source.documents import LoadedActor, load_text
from asya_controller.decide.source.sync import Rules, key_of, plan_pass, wanted

SET = ApplySet("asya-files", "prod")
RULES = Rules(SET, "prod")
PRUNING = Rules(SET, "prod", prune=True)
ACTOR = """\
apiVersion: asya.sh/v1alpha1
kind: AsyncActor
metadata: {{name: {name}}}
spec:
  transport: rabbitmq
  workload: {{template: {{spec: {{containers: [{{name: asya-runtime, image: "i:{tag}"}}]}}}}}}
"""
Live = Mapping[tuple[str, str], dict[str, Any]]


def actors(*names: str, tag: str = "1") -> list[LoadedActor]:
    text = "---\n".join(ACTOR.format(name=name, tag=tag) for name in names)
    return load_text(Path("a.yaml"), text).actors


def live(*names: str, revision: str = "r1") -> dict[tuple[str, str], dict[str, Any]]:
    """What the cluster holds after a pass with these actors."""
    items = [wanted(actor, RULES, revision) for actor in actors(*names)]
    stored = {"status": {"observedGeneration": -1}}
    return {key_of(item): {**item, **stored, "metadata": {**item["metadata"], "uid": "u"}} for item in items}


def with_metadata(item: dict[str, Any], **changes: Any) -> dict[str, Any]:
    return {**item, "metadata": {**item["metadata"], **changes}}


def test_a_new_actor_is_created_with_label_namespace_and_revision() -> None:
    (apply,) = plan_pass(actors("a"), {}, RULES, "r1").applies
    metadata = apply.object["metadata"]
    assert (apply.why, metadata["namespace"]) == ("created", "prod")
    assert metadata["labels"] == {PART_OF: SET.id}
    assert metadata["annotations"][REVISION] == "r1"


def test_what_is_as_the_file_says_is_not_written_again_for_a_new_revision() -> None:
    planned = plan_pass(actors("a"), live("a"), RULES, "r2")
    assert (planned.applies, planned.unchanged) == ((), (("prod", "a"),))


def test_a_changed_file_and_a_changed_object_are_told_apart() -> None:
    (changed,) = plan_pass(actors("a", tag="2"), live("a"), RULES, "r2").applies
    there = live("a")
    there["prod", "a"]["spec"] = {**there["prod", "a"]["spec"], "transport": "other"}
    (drifted,) = plan_pass(actors("a"), there, RULES, "r1").applies
    assert (changed.why, drifted.why) == ("changed", "drifted")


def test_a_field_taken_out_of_the_file_is_a_change() -> None:
    text = ACTOR.format(name="a", tag="1") + "  timeout: {processing: 60}\n"
    item = wanted(load_text(Path("a.yaml"), text).actors[0], RULES, "r1")
    (apply,) = plan_pass(actors("a"), {key_of(item): item}, RULES, "r2").applies
    assert apply.why == "changed"


def test_metadata_that_only_a_server_writes_is_left_out() -> None:
    text = ACTOR.format(name="a, uid: x, resourceVersion: '1', generation: 3, creationTimestamp: null", tag="1")
    item = wanted(load_text(Path("a.yaml"), text).actors[0], RULES, "r1")
    assert set(item["metadata"]) == {"name", "namespace", "labels", "annotations"}


def test_an_actor_being_deleted_is_waited_for() -> None:
    there = live("a")
    there["prod", "a"] = with_metadata(there["prod", "a"], deletionTimestamp="2026-01-01T00:00:00Z")
    planned = plan_pass(actors("a"), there, PRUNING, "r1")
    assert (planned.applies, planned.going, planned.deletes) == ((), (("prod", "a"),), ())


@pytest.mark.parametrize(
    ("labels", "annotations", "owner"),
    [
        ({PART_OF: "applyset-other-v1"}, {}, "the ApplySet applyset-other-v1"),
        ({"argocd.argoproj.io/instance": "app"}, {}, "Argo CD"),
        ({}, {"argocd.argoproj.io/tracking-id": "app:x"}, "Argo CD"),
        ({"kustomize.toolkit.fluxcd.io/name": "apps"}, {}, "Flux (kustomize apps)"),
        ({"helm.toolkit.fluxcd.io/name": "release"}, {}, "Flux (helm release)"),
    ],
)
def test_what_belongs_to_somebody_else_stops_the_whole_pass(
    labels: dict[str, str], annotations: dict[str, str], owner: str
) -> None:
    there = live("a")
    there["prod", "a"] = with_metadata(there["prod", "a"], labels=labels, annotations=annotations)
    planned = plan_pass(actors("new", "a"), there, PRUNING, "r1")
    assert (planned.applies, planned.deletes) == ((), ())
    (problem,) = planned.problems
    assert str(problem).startswith(f"a.yaml:10:12: AsyncActor a in namespace prod belongs to {owner}: ")


def test_an_actor_of_nobody_is_adopted() -> None:
    there = live("a")
    there["prod", "a"] = with_metadata(there["prod", "a"], labels={}, annotations={})
    assert [apply.why for apply in plan_pass(actors("a"), there, RULES, "r1").applies] == ["changed"]


# --- pruning ----------------------------------------------------------------------------------------------------------


def names(items: Any) -> list[str]:
    return [item["metadata"]["name"] for item in items]


def test_members_in_no_file_are_pruned_only_when_asked() -> None:
    there = live("a", "b")
    assert names(plan_pass(actors("a"), there, PRUNING, "r2").deletes) == ["b"]
    assert plan_pass(actors("a"), there, RULES, "r2").deletes == ()


def test_only_members_are_pruned() -> None:
    there = live("a", "b", "c")
    there["prod", "b"] = with_metadata(there["prod", "b"], labels={})
    there["prod", "c"] = with_metadata(there["prod", "c"], deletionTimestamp="2026-01-01T00:00:00Z")
    assert plan_pass(actors("a"), there, PRUNING, "r2").deletes == ()


def test_a_member_that_argo_or_flux_has_taken_over_is_kept_and_told() -> None:
    there = live("a", "b")
    labels = {PART_OF: SET.id, "kustomize.toolkit.fluxcd.io/name": "apps"}
    there["prod", "b"] = with_metadata(there["prod", "b"], labels=labels)
    planned = plan_pass(actors("a"), there, PRUNING, "r2")
    assert planned.deletes == ()
    assert planned.notes == ("prod/b is in no file, but belongs to Flux (kustomize apps): kept",)


@pytest.mark.parametrize("left", [(), ("new",)])
def test_every_member_at_once_needs_allow_empty(left: tuple[str, ...]) -> None:
    there = live("a", "b")
    planned = plan_pass(actors(*left), there, PRUNING, "r2")
    assert planned.deletes == ()
    assert planned.held_back is not None
    assert "--allow-empty" in planned.held_back
    allowed = Rules(SET, "prod", prune=True, allow_empty=True)
    assert names(plan_pass(actors(*left), there, allowed, "r2").deletes) == ["a", "b"]


def test_more_deletes_than_allowed_are_none_and_the_applies_go_on() -> None:
    many = [f"a{number:02}" for number in range(12)]
    there = live(*many, "kept")
    planned = plan_pass(actors("kept", "new"), there, PRUNING, "r2")
    assert (planned.deletes, [apply.key for apply in planned.applies]) == ((), [("prod", "new")])
    assert planned.held_back is not None
    assert planned.held_back.startswith("would delete 12 actors (prod/a00, ")
    assert "--max-deletes 10" in planned.held_back
    raised = Rules(SET, "prod", prune=True, most_deletes=12)
    assert len(plan_pass(actors("kept"), there, raised, "r2").deletes) == 12


# --- the inventory ----------------------------------------------------------------------------------------------------


def test_the_id_is_the_one_that_kubectl_computes() -> None:
    # echo -n 'asya-files.prod.ConfigMap.' | openssl sha256 -binary | base64, in the alphabet for URLs and without padding
    assert SET.id == "applyset-t1Ig8L4f72xEFykSQ6KUqapmeRp10Px914TjhI1IKT4-v1"


def test_the_parent_names_other_namespaces_only() -> None:
    parent = SET.parent({"prod", "b", "a"}, "r1", "1.0.0")
    annotations = parent["metadata"]["annotations"]
    assert (annotations[NAMESPACES], annotations[TOOLING], annotations[REVISION]) == ("a,b", "asya/1.0.0", "r1")
    assert SET.namespaces_of(parent) == {"a", "b", "prod"}
    assert SET.namespaces_of(None) == {"prod"}


def test_a_parent_of_another_tool_or_none_at_all_is_refused() -> None:
    parent = SET.parent({"prod"}, "r1", "1.0.0")
    assert SET.not_ours(parent) is None
    assert SET.not_ours(None) is None
    kubectls = with_metadata(parent, annotations={TOOLING: "kubectl/v1.36.3"})
    assert "inventory of kubectl/v1.36.3" in str(SET.not_ours(kubectls))
    assert "is not the inventory of a source" in str(SET.not_ours(with_metadata(parent, labels={})))


def test_an_object_without_marks_belongs_to_nobody() -> None:
    assert claimed_by({"metadata": {"name": "a", "labels": {"app.kubernetes.io/instance": "x"}}}, SET) is None
