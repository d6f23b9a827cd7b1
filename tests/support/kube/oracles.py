"""What must never be seen in a controller's requests, whatever the test was about (contract: controller 7, 13; crd 5).

Pure: from a record to sentences about what is wrong with it. tests/support/kube/watched.py asks at the end of every way to the API
server, so that no test can forget it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from tests.support.health import argocd, kstatus, must_show
from tests.support.kube.api import JSON
from tests.support.kube.record import Record, Request, Shown

WORKLOADS = frozenset({"deployments", "statefulsets"})
CHILDREN = "asya-controller"
# A pass that began before a change may end after it: so long it may act on what it saw.
UNDER_WAY_S = 3.0


def violations(record: Record, rules: Sequence[JSON]) -> list[str]:
    """Everything that is wrong, in the order of the requests; `rules` are RBAC rules."""
    found = []
    for request in record.requests:
        for oracle in (
            replicas_while_scaling,
            count_kept,
            actor_untouched,
            delete_names_uid,
            observed_what_was_applied,
            tools_agree,
        ):
            found += [f"{oracle.__name__}: {problem}: {request}" for problem in oracle(request, record)]
        if not permitted(request, rules):
            found.append(f"permitted: no rule of kustomize/base/rbac.yaml allows this: {request}")
    return found


def replicas_while_scaling(request: Request, record: Record) -> Iterator[str]:
    """While an actor scales, `asya-controller` never sends a count; the helper does so only when it creates or read the object."""
    if request.resource not in WORKLOADS or request.verb not in ("patch", "create", "update"):
        return
    if "replicas" not in ((request.body or {}).get("spec") or {}):
        return
    if not _scaled(_recently(_owner(request, record), request.at)):
        return
    if request.manager != "asya-replicas-handover":
        yield f"{request.manager} sends replicas while scaling is on"
    elif request.before is not None and "resourceVersion" not in request.body["metadata"]:
        yield "the helper sends replicas without the version it read"


def count_kept(request: Request, record: Record) -> Iterator[str]:
    """While an actor scales, none of our writes changes the count of a workload that is there, not even by letting go of it."""
    if request.resource not in WORKLOADS or request.effect != "change":
        return
    before, after = (
        ((document or {}).get("spec") or {}).get("replicas") for document in (request.before, request.after)
    )
    if before != after and _scaled(_recently(_owner(request, record), request.at)):
        yield f"changes the count from {before} to {after} while scaling is on"


def _owner(request: Request, record: Record) -> list[Shown]:
    owners = ((request.body or {}).get("metadata") or {}).get("ownerReferences") or (
        (request.before or {}).get("metadata") or {}
    ).get("ownerReferences")
    uids = [owner["uid"] for owner in owners or () if owner.get("controller")]
    return record.shown.get(uids[0], []) if uids else []


def _recently(shown: Sequence[Shown], at: float) -> list[JSON]:
    """The versions that a pass under way at this time may have begun with."""
    known = [version for version in shown if version.at <= at]
    newer = [version.actor for version in known if version.at > at - UNDER_WAY_S]
    older = [version.actor for version in known if version.at <= at - UNDER_WAY_S]
    return older[-1:] + newer


def _scaled(versions: Sequence[JSON]) -> bool:
    return bool(versions) and all((actor["spec"].get("scaling") or {}).get("enabled") for actor in versions)


def actor_untouched(request: Request, _record: Record) -> Iterator[str]:
    """Of an AsyncActor only finalizer and status are written."""
    if request.resource != "asyncactors" or not request.writes:
        return
    if request.verb != "patch":
        yield "an AsyncActor is patched or left alone"
        return
    if isinstance(request.body, list):
        if any(not str(step.get("path", "")).startswith("/metadata/finalizers") for step in request.body):
            yield "a JSON patch of more than the finalizers"
        return
    body: Mapping[str, Any] = request.body
    allowed = {"apiVersion", "kind", "metadata"} | ({"status"} if request.sub == "status" else set())
    meta = {"name", "namespace", "uid", "resourceVersion"} | (set() if request.sub else {"finalizers"})
    extra = sorted(body.keys() - allowed) + sorted(f"metadata.{key}" for key in body.get("metadata", {}).keys() - meta)
    if extra:
        yield f"writes {', '.join(extra)} of an AsyncActor"


def delete_names_uid(request: Request, _record: Record) -> Iterator[str]:
    """Nothing is deleted but the very object that was looked at."""
    if request.verb == "deletecollection":
        yield "deletes more than one object"
    elif request.verb == "delete" and not ((request.body or {}).get("preconditions") or {}).get("uid"):
        yield "deletes without the uid it read"


def observed_what_was_applied(request: Request, record: Record) -> Iterator[str]:
    """Status never speaks of a generation that was not seen, nor, where the workload follows, of one that is not in it yet."""
    if request.resource != "asyncactors" or request.sub != "status" or not isinstance(request.body, dict):
        return
    status = request.body.get("status") or {}
    generation = status.get("observedGeneration", -1)
    uid = request.body["metadata"].get("uid") or ((request.before or {}).get("metadata") or {}).get("uid")
    versions = [version.actor for version in record.shown.get(uid or "", []) if version.at <= request.at]
    seen = {actor["metadata"]["generation"]: actor for actor in versions}
    if generation <= 0:
        return
    if generation not in seen:
        yield f"observedGeneration {generation}, and the generations shown so far are {sorted(seen)}"
        return
    if request.workload is None or not follows(status):
        return
    wanted, live = (
        images(seen[generation]["spec"]["workload"]["template"]),
        images(request.workload["spec"]["template"]),
    )
    behind = {name: image for name, image in wanted.items() if live.get(name) != image}
    if behind:
        yield f"observedGeneration {generation}, and the workload still has {live}, not {behind}"


def tools_agree(request: Request, _record: Record) -> Iterator[str]:
    """Flux and Argo CD make of every status that is written what the specification says."""
    if request.sub != "status" or not request.after or request.code is None or request.code >= 300:
        return
    shown, wanted = (kstatus(request.after), argocd(request.after)["status"]), must_show(request.after)
    if shown != wanted:
        yield f"Flux and Argo CD show {shown}, not {wanted}, for {request.after.get('status')}"


def follows(status: Mapping[str, Any]) -> bool:
    """Whether by this status the workload is what the spec says: not suspended, not refused, not being deleted, no trouble."""
    reasons = {entry["type"]: (entry["status"], entry.get("reason")) for entry in status.get("conditions") or ()}
    return (
        not status.get("suspended")
        and status.get("status") in ("Running", "Napping", "ScalingUp", "ScalingDown")
        and reasons.get("WorkloadReady", ("",))[0] != "False"
        and reasons.get("TransportReady", ("",))[0] == "True"
    )


def images(template: Mapping[str, Any]) -> dict[str, str]:
    """Container -> image, ours left out."""
    containers = template["spec"]["containers"]
    return {entry["name"]: entry["image"] for entry in containers if entry["name"] != "asya-sidecar"}


def used(request: Request) -> set[tuple[str, str, str]]:
    """The permissions it takes, as (group, resource, verb): an apply that creates takes two, discovery none."""
    if not request.resource:
        return set()
    resource = f"{request.resource}/{request.sub}" if request.sub else request.resource
    verbs = {request.verb} | ({"create"} if request.applies and request.effect == "create" else set())
    return {(request.group, resource, verb) for verb in verbs}


def permitted(request: Request, rules: Sequence[JSON]) -> bool:
    """Whether the rules allow it."""
    return all(
        any(group in rule["apiGroups"] and resource in rule["resources"] and verb in rule["verbs"] for rule in rules)
        for group, resource, verb in used(request)
    )
