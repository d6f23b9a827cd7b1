"""What `asya doctor` looks at: versions, CRD, KEDA, permissions, controller, brokers, gateway; each with what would mend it.

One function is one look; none of them stops the others. Called by `verbs/doctor.py`. Writes nothing but access reviews, which the API
server answers and forgets.
"""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

from asya_cli.cluster.broker_checks import brokers, gateway
from asya_cli.cluster.connection import Cluster, own_version
from asya_cli.cluster.findings import Finding, Patient, State
from asya_cli.cluster.installation import NAME, installation
from asya_cli.cluster.permissions import CONTROLLER, USER, Permission
from asya_cli.errors import UsageMistake
from asya_controller.act.api_errors import ApiError, NoAnswer, NotFound
from asya_controller.act.kinds import ACTOR, LEASE, Kind
from asya_controller.decide.normal import contains
from asya_schemas.actor import effective
from asya_schemas.actor.crd import crd as own_crd
from asya_schemas.actor.identity import GROUP, PLURAL

OLDEST, OLDEST_WITH_RULES = (1, 23), (1, 25)
LEASE_FRESH_S = 30.0
CRD = Kind("apiextensions.k8s.io/v1", "CustomResourceDefinition", "customresourcedefinitions")
API_SERVICE = Kind("apiregistration.k8s.io/v1", "APIService", "apiservices")
SELF_REVIEW = Kind("authorization.k8s.io/v1", "SelfSubjectAccessReview", "selfsubjectaccessreviews")
REVIEW = Kind("authorization.k8s.io/v1", "SubjectAccessReview", "subjectaccessreviews")
INSTALL_CRD = "asya crd | kubectl apply --server-side -f -"


def examine(cluster: Cluster) -> Iterator[Finding]:
    """Every finding, in the order in which one would mend them.

    Raises:
        ApiError: the cluster cannot be reached, or does not accept the credentials.
    """
    patient = Patient(cluster)
    for look in LOOKS:
        try:
            yield from look(patient)
        except NoAnswer:
            raise
        except ApiError as error:
            if error.code == 401:
                raise  # nothing else can be looked at either
            subject = (look.__doc__ or "").partition(":")[0]
            yield Finding(
                subject, "warning", f"cannot be looked at: {error.message}", "ask with an account that may read it"
            )


def server(patient: Patient) -> Iterator[Finding]:
    """API server: new enough."""
    found = patient.cluster.api.document("/version")
    version = (int(found["major"]), int("".join(c for c in str(found["minor"]) if c.isdigit())))
    words = f"{found['gitVersion']} at {patient.cluster.server}"
    if version < OLDEST:
        yield Finding("API server", "wrong", f"{words}, 1.23 or newer is needed", "update the cluster")
    elif version < OLDEST_WITH_RULES:
        yield Finding(
            "API server", "warning", f"{words}: mistakes are found by the controller only", "update to 1.25 or newer"
        )
    else:
        yield Finding("API server", "ok", words)


def definition(patient: Patient) -> Iterator[Finding]:
    """CRD: there, served, and the one this command knows."""
    try:
        found = patient.cluster.api.get(CRD, "", f"{PLURAL}.{GROUP}")
    except NotFound:
        yield Finding("CRD", "wrong", "AsyncActors are not installed", INSTALL_CRD)
        return
    if found["metadata"].get("deletionTimestamp"):
        words = "is being deleted: no actor can be made until those that are left have gone"
        yield Finding("CRD", "wrong", words, f"kubectl get asyncactors -A, then {INSTALL_CRD}")
        return
    conditions = {c["type"]: c for c in (found.get("status") or {}).get("conditions") or ()}
    if conditions.get("Established", {}).get("status") != "True":
        reason = conditions.get("NamesAccepted", {}).get("message", "no reason")
        yield Finding(
            "CRD",
            "wrong",
            f"not established: {reason}",
            "kubectl describe crd asyncactors.asya.sh",
        )
        return
    live, ours = found["spec"]["versions"][0], own_crd()["spec"]["versions"][0]
    patient.actors = tuple(item for items, _ in patient.cluster.api.pages(ACTOR, None) for item in items)
    if contains(live, ours):
        yield Finding(
            "CRD", "ok", f"{GROUP}/{live['name']}, as this command knows it; {len(patient.actors)} AsyncActors"
        )
    else:
        yield Finding(
            "CRD",
            "warning",
            f"{GROUP}/{live['name']} of another version than this command ({own_version()})",
            INSTALL_CRD,
        )


def keda(patient: Patient) -> Iterator[Finding]:
    """KEDA: its kinds, its metrics."""
    scaled = [a["metadata"]["name"] for a in patient.actors if effective.scaling_enabled(a.get("spec") or {})]
    if "scaledobjects" not in patient.cluster.api.served("keda.sh/v1alpha1"):
        needed = f"needed by {', '.join(scaled[:5])}" if scaled else "needed once an actor sets scaling.enabled"
        yield Finding(
            "KEDA", "wrong" if scaled else "warning", f"not installed, {needed}", "https://keda.sh/docs/latest/deploy"
        )
        return
    try:
        service = patient.cluster.api.get(API_SERVICE, "", "v1beta1.external.metrics.k8s.io")
    except NotFound:
        yield Finding(
            "KEDA",
            "warning",
            "its metrics are not served: nothing scales beyond one",
            "kubectl get pods -n keda",
        )
        return
    found: dict[str, Any] = next(
        (c for c in (service.get("status") or {}).get("conditions") or () if c["type"] == "Available"), {}
    )
    if found.get("status") == "True":
        yield Finding("KEDA", "ok", "kinds and metrics are served")
    else:
        yield Finding(
            "KEDA",
            "wrong",
            f"its metrics are not served: {found.get('message', 'no reason')}",
            "kubectl get pods -n keda",
        )


def controller(patient: Patient) -> Iterator[Finding]:
    """controller: runs, leads, is of our version."""
    patient.installation = found = installation(patient.cluster)
    if found is None:
        yield Finding(
            "controller",
            "wrong",
            f"no Deployment {NAME} was found: AsyncActors stay as they are",
            "install the controller: kubectl apply -k OVERLAY, as docs/installation.md says",
        )
        return
    status = found.deployment.get("status") or {}
    ready, wanted = status.get("readyReplicas") or 0, found.deployment["spec"].get("replicas", 1)
    words = f"{found.version or 'unknown version'} in {found.namespace}, {ready} of {wanted} ready"
    if not ready:
        yield Finding(
            "controller", "wrong", words, f"kubectl describe pod -n {found.namespace} -l app.kubernetes.io/name={NAME}"
        )
    elif found.version != own_version():
        yield Finding("controller", "warning", f"{words}; this command is {own_version()}", "use one version of both")
    else:
        yield Finding("controller", "ok", words)
    yield from _leader(patient, found.namespace)


def _leader(patient: Patient, namespace: str) -> Iterator[Finding]:
    try:
        lease = patient.cluster.api.get(LEASE, namespace, NAME)
    except NotFound:
        yield Finding("leader", "warning", "no controller has ever led", f"kubectl logs -n {namespace} deploy/{NAME}")
        return
    renewed = str(lease["spec"].get("renewTime") or "")
    age = (datetime.now(UTC) - datetime.fromisoformat(renewed)).total_seconds() if renewed else LEASE_FRESH_S + 1
    holder = lease["spec"].get("holderIdentity") or "nobody"
    if age <= LEASE_FRESH_S:
        yield Finding("leader", "ok", f"{holder}")
    else:
        yield Finding(
            "leader",
            "wrong",
            f"{holder} last renewed its lease at {renewed or 'no time'}",
            f"kubectl logs -n {namespace} deploy/{NAME}",
        )


def configuration(patient: Patient) -> Iterator[Finding]:
    """configuration: can be read, has transports."""
    if patient.installation is None:
        return
    if not patient.installation.place:
        yield Finding(
            "configuration",
            "warning",
            "none is mounted: there are no transports",
            f"mount a controller.yaml into {NAME}",
        )
        return
    try:
        patient.config = patient.installation.config()
    except UsageMistake as error:
        yield Finding("configuration", "wrong", str(error), "edit it; the controller does not start with it")
        return
    names = ", ".join(sorted(patient.config.transports)) or "none"
    state: State = "ok" if patient.config.transports else "warning"
    yield Finding("configuration", state, f"{patient.installation.place}; transports: {names}")


def permissions(patient: Patient) -> Iterator[Finding]:
    """permissions: yours, and the controller's."""
    namespace = patient.cluster.namespace
    missing = [p for p in USER if not _allowed(patient, SELF_REVIEW, p.review(namespace))]
    if missing:
        yield Finding(
            "your permissions",
            "warning",
            f"in {namespace} you may not {told(missing)}",
            "ask for the role edit in this namespace",
        )
    else:
        yield Finding("your permissions", "ok", f"you may read and sync AsyncActors in {namespace}")
    if patient.installation is None:
        return
    home = patient.installation.namespace
    account = patient.installation.deployment["spec"]["template"]["spec"].get("serviceAccountName") or "default"
    subject = {"user": f"system:serviceaccount:{home}:{account}"}
    lacking = [
        p for p in CONTROLLER if not _allowed(patient, REVIEW, p.review(home if p.at_home else namespace) | subject)
    ]
    if lacking:
        yield Finding(
            "its permissions",
            "wrong",
            f"{home}/{account} may not {told(lacking)}",
            "apply the ClusterRole of the same version",
        )
    else:
        yield Finding("its permissions", "ok", f"{home}/{account} may do all that it does in {namespace}")


def _allowed(patient: Patient, kind: Kind, spec: dict[str, Any]) -> bool:
    body = {"apiVersion": kind.api_version, "kind": kind.name, "spec": spec}
    answer = patient.cluster.api.create(kind, "", body)
    return bool((answer.get("status") or {}).get("allowed"))


def told(permissions: list[Permission]) -> str:
    """`patch deployments.apps, delete pods`"""
    return ", ".join(f"{p.verb} {p.resource}{'.' + p.group if p.group else ''}" for p in permissions)


LOOKS: tuple[Callable[[Patient], Iterator[Finding]], ...] = (
    server, definition, keda, controller, configuration, brokers, gateway, permissions,
)  # fmt: skip
