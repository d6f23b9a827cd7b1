"""A controller at work on a real API server and a real RabbitMQ, and the hands that a kubelet, a scheduler and KEDA would lend.

Used by tests/contract/test_controller_on_*.py: one bed for the tests of a module, each with an actor of its own. No kubelet runs there, so
pods become what a test says by writing their status as a kubelet does; everything else is real. The controller goes through the proxy of
tests/support/kube/, which judges every request at the end of the bed. Long because it lends all hands.
"""

from __future__ import annotations

import contextlib
import threading
import uuid
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from tests.support.actors import POD, actor
from tests.support.controller_process import ControllerProcess, rabbitmq, running
from tests.support.kube.api import JSON_PATCH, MERGE, Refused, path_of
from tests.support.kube.cluster import CONTROLLER, SYSTEM, Cluster
from tests.support.kube.proxy import ApiProxy
from tests.support.kube.quiet import prove_quiet, silent
from tests.support.kube.record import Request
from tests.support.kube.watched import watched
from tests.support.rabbitmq import Broker
from tests.support.wait import until

JSON = dict[str, Any]
WITHIN_S = 40.0


class Bed:
    """A cluster, a namespace in it, a broker's virtual host, and the controller between them."""

    def __init__(
        self,
        cluster: Cluster,
        namespace: str,
        broker: Broker,
        vhost: str,
        controller: ControllerProcess,
        proxy: ApiProxy | None = None,
    ) -> None:
        self._proxy = proxy
        self.forgotten: set[str] = set()
        """Actors whose trouble stands nowhere in the cluster, so that a restarted controller cannot know of it."""
        self.cluster = cluster
        self.api = cluster.api
        self.namespace = namespace
        self.broker = broker
        self.vhost = vhost
        self.controller = controller

    @property
    def proxy(self) -> ApiProxy:
        """Between the controller and the API server."""
        assert self._proxy is not None, "this bed has none"
        return self._proxy

    # the actor

    def create(self, name: str, *changes: Any, **spec: Any) -> JSON:
        """Make an actor; `spec` are whole blocks of its spec, `changes` as in tests/support/actors.py."""
        return self.api.create("asyncactors", self.namespace, self.document(name, *changes, **spec))

    def document(self, name: str, *changes: Any, **spec: Any) -> JSON:
        """The document of an actor in this namespace."""
        place: list[Any] = [(("metadata", "name"), name), (("metadata", "namespace"), self.namespace)]
        if not self.cluster.own:
            # It may have nodes, and no pod may start on them: how pods are is what the test says. Not done everywhere, because a field
            # that a definition only preserves keeps an API server from letting pass what is stored already and breaks a rule.
            place.append(((*POD, "schedulerName"), "none"))
        found = actor(*place, *changes)
        for key, value in spec.items():
            found["spec"][key] = {**found["spec"].get(key, {}), **value} if isinstance(value, dict) else value
        return found

    def change(self, name: str, patch: JSON) -> JSON:
        """A merge patch of the actor."""
        return self.api.patch("asyncactors", self.namespace, name, patch)

    def looked_at(self, name: str) -> JSON:
        """Ask for a pass and wait until one has seen the actor as it is now; its status then."""
        mark = uuid.uuid4().hex
        self.annotate(name, reconcile_at=mark)
        until(lambda: self.status(name).get("lastHandledReconcileAt") == mark, WITHIN_S, what=f"a pass over {name}")
        return self.status(name)

    def rests(self, *names: str) -> None:
        """Wait until the broker's figures stand in the status of these actors and nothing is written any more."""
        figures = {"queuedMessages", "processingMessages"}
        until(
            lambda: all(figures <= self.status(name).keys() for name in names), 60, 0.1, what="the figures stand there"
        )
        silent(self.proxy, self.controller, len(self.api.items("asyncactors", self.namespace)), "the work")

    def writes_about(self, name: str, since: int = 0) -> list[Request]:
        """What the controller has written about the actor and its children from request number `since` on."""
        return [
            request for request in self.proxy.record.writes(since) if request.name in (name, f"{name}-trigger-auth")
        ]

    @contextlib.contextmanager
    def versions(self, resource: str, name: str) -> Iterator[list[JSON]]:
        """Every version of an object in the block, the present one first; at the end the object carries a mark of ours."""
        seen = [self.api.get(resource, self.namespace, name)]

        def watch() -> None:
            version = seen[0]["metadata"]["resourceVersion"]
            for event in self.api.watch(resource, self.namespace, version, timeout_s=120):
                if event["object"]["metadata"]["name"] == name:
                    seen.append(event["object"])
                    if "test/mark" in seen[-1]["metadata"].get("annotations", {}):
                        return

        thread = threading.Thread(target=watch, daemon=True)
        thread.start()
        try:
            yield seen
        finally:
            self.api.patch(resource, self.namespace, name, {"metadata": {"annotations": {"test/mark": "the end"}}})
            thread.join(WITHIN_S)
        assert not thread.is_alive(), "the watch has not come to its end"

    def image(self, name: str, image: str) -> JSON:
        """Another image for the runtime container."""
        path = "/spec/workload/template/spec/containers/0/image"
        patch = [{"op": "replace", "path": path, "value": image}]
        return self.api.patch("asyncactors", self.namespace, name, patch, kind=JSON_PATCH)

    def annotate(self, name: str, **annotations: str | None) -> JSON:
        """Set annotations of `asya.sh/`, underscores for dashes; None takes one away."""
        found = {f"asya.sh/{key.replace('_', '-')}": value for key, value in annotations.items()}
        return self.change(name, {"metadata": {"annotations": found}})

    def actor(self, name: str) -> JSON:
        """As stored."""
        return self.api.get("asyncactors", self.namespace, name)

    def status(self, name: str) -> JSON:
        """As stored; empty when there is none."""
        found = self.api.find("asyncactors", self.namespace, name)
        return dict((found or {}).get("status") or {})

    def reaches(self, name: str, value: str, reason: str = "", within_s: float = WITHIN_S) -> JSON:
        """The status once its value is `value` for the present generation and, if given, a condition has `reason`."""

        def found() -> JSON | None:
            item = self.actor(name)
            status = item.get("status") or {}
            current = status.get("observedGeneration") == item["metadata"]["generation"]
            reasons = {entry["reason"] for entry in status.get("conditions") or ()}
            return status if current and status.get("status") == value and (not reason or reason in reasons) else None

        try:
            result = until(found, within_s, 0.1)
        except AssertionError:
            last = self.controller.log()[-1500:]
            asked = "\n".join(f"{r.verb} {r.resource} {r.name} {r.code}" for r in self.proxy.record.requests[-12:])
            found_now = f"{self.status(name)}\nqueues {self.queues()}\n{asked}\n{last}"
            raise AssertionError(f"{name} is not {value} {reason}: {found_now}") from None
        assert result is not None
        return result

    def events(self, name: str) -> list[str]:
        """Reasons of the Events about the actor, oldest first."""
        found = [item for item in self.api.items("events", self.namespace) if item["regarding"].get("name") == name]
        ours = [item for item in found if item["regarding"].get("kind") == "AsyncActor"]
        return [item["reason"] for item in sorted(ours, key=lambda item: item["eventTime"])]

    def times_told(self, name: str, reason: str) -> int:
        """How often it was told, the repeats of a series included."""
        found = [item for item in self.api.items("events", self.namespace) if item["regarding"].get("name") == name]
        return sum((item.get("series") or {}).get("count", 1) for item in found if item["reason"] == reason)

    def told(self, name: str, *reasons: str, within_s: float = WITHIN_S) -> None:
        """Wait until Events with these reasons are there."""
        until(lambda: set(reasons) <= set(self.events(name)), within_s, 0.1, what=f"events {reasons} of {name}")

    def gone(self, name: str, within_s: float = 60.0) -> None:
        """Wait until the actor is gone."""
        until(lambda: self.api.find("asyncactors", self.namespace, name) is None, within_s, 0.1, what=f"{name} is gone")

    def delete(self, name: str) -> None:
        """Begin to delete it."""
        self.api.delete("asyncactors", self.namespace, name)

    def child(self, resource: str, name: str) -> JSON | None:
        """One object of the namespace."""
        return self.api.find(resource, self.namespace, name)

    def deployment(self, name: str) -> JSON:
        """The actor's, waited for."""
        found = until(lambda: self.child("deployments", name), WITHIN_S, 0.05, what=f"Deployment {name}")
        assert found is not None
        return found

    # what kubelet, scheduler and KEDA would do

    def pods(self, name: str) -> list[JSON]:
        """The actor's pods, oldest first."""
        found = self.api.items("pods", self.namespace, labelSelector=f"asya.sh/actor={name}")
        return sorted(found, key=lambda pod: (pod["metadata"]["creationTimestamp"], pod["metadata"]["name"]))

    def has_pods(self, name: str, number: int) -> list[JSON]:
        """The pods, once there are so many that are not going."""

        def found() -> list[JSON] | None:
            staying = [pod for pod in self.pods(name) if not pod["metadata"].get("deletionTimestamp")]
            return staying if len(staying) == number else None

        result = until(found, WITHIN_S, 0.1, what=f"{number} pods of {name}")
        assert result is not None
        return result

    def set_status(self, pod: JSON, status: JSON) -> None:
        """Write a pod's status."""
        self._patch_status("pods", pod["metadata"]["name"], status)

    def began(self, name: str, kind: str, seconds_ago: float) -> None:
        """As it would stand there had a condition become what it is so long ago; a pass has seen it."""

        def stands() -> bool:
            """The controller may just have been writing its own."""
            number = [entry["type"] for entry in self.status(name)["conditions"]].index(kind)
            path, value = f"/status/conditions/{number}/lastTransitionTime", stamp(seconds_ago)
            patch = [{"op": "replace", "path": path, "value": value}]
            self.api.ask("PATCH", f"{path_of('asyncactors', self.namespace, name)}/status", patch, JSON_PATCH)
            entries = self.looked_at(name)["conditions"]
            return any((entry["type"], entry["lastTransitionTime"]) == (kind, value) for entry in entries)

        until(stands, what=f"{kind} of {name} has begun {seconds_ago} s ago")

    def short_for(self, name: str, seconds: float) -> JSON:
        """As it would stand there had the shortage begun so long ago; a pass has seen it. The status then."""

        def stands() -> JSON | None:
            """The controller may just have been writing its own."""
            value = stamp(seconds)
            path = f"{path_of('asyncactors', self.namespace, name)}/status"
            self.api.ask("PATCH", path, {"status": {"shortSince": value}}, MERGE)
            status = self.looked_at(name)
            return status if status.get("shortSince") == value else None

        return until(stands, what=f"{name} has been short for {seconds} s") or {}

    def sidecar_not_ready(self, name: str) -> None:
        """The actor's pods run, and their sidecars are not ready, as while they have no broker."""
        for pod in self.pods(name):
            self.make_failing(pod, "asya-sidecar", {"running": {"startedAt": stamp(120)}})

    def _patch_status(self, resource: str, name: str, status: JSON) -> None:
        self.api.ask("PATCH", f"{path_of(resource, self.namespace, name)}/status", {"status": status}, MERGE)

    def make_ready(self, name: str, number: int | None = None) -> None:
        """The actor's pods run and are ready, as many as the workload wants (or `number`)."""
        for pod in self.has_pods(name, number) if number is not None else self.pods(name):
            try:
                self.set_status(pod, ready(pod))
            except Refused as refused:
                if refused.code != 404:  # it went meanwhile, as in a rollout
                    raise

    def make_failing(self, pod: JSON, container: str, state: JSON, restarts: int = 0, last: JSON | None = None) -> None:
        """One container of the pod is in `state`, the others run."""
        self.set_status(pod, failing(pod, container, state, restarts, last))

    def scale(self, name: str, replicas: int) -> None:
        """As an autoscaler sets the number of a Deployment's pods."""
        path = f"{path_of('deployments', self.namespace, name)}/scale"
        self.api.ask("PATCH", path, {"spec": {"replicas": replicas}}, MERGE)

    def somebody_scales(self, name: str) -> JSON:
        """A ScaledObject that is not ours."""
        spec = {"scaleTargetRef": {"name": "theirs"}, "triggers": [{"type": "cron", "metadata": {}}]}
        body = {"apiVersion": "keda.sh/v1alpha1", "kind": "ScaledObject", "metadata": {"name": name}, "spec": spec}
        return self.api.create("scaledobjects", self.namespace, body)

    def hold(self, *pods: JSON) -> None:
        """Pods that are deleted stay until `release`: what a kubelet's grace looks like from here."""
        for pod in pods:
            self._finalizers(pod, ["test/hold"])

    def release(self, *pods: JSON) -> None:
        """Nobody holds them any more."""
        for pod in pods:
            self._finalizers(pod, None)

    def _finalizers(self, pod: JSON, names: list[str] | None) -> None:
        self.api.patch("pods", self.namespace, pod["metadata"]["name"], {"metadata": {"finalizers": names}})

    def keda_says(
        self, name: str, ready: str = "True", message: str = "", within_s: float = WITHIN_S, *, paused: bool = False
    ) -> None:
        """KEDA's word about the ScaledObject, once there is one."""
        until(lambda: self.child("scaledobjects", name), within_s, 0.1, what=f"ScaledObject {name}")
        conditions = [{"type": "Ready", "status": ready, "reason": "Test", "message": message}]
        conditions += [{"type": "Paused", "status": "True", "reason": "Test", "message": ""}] if paused else []
        self._patch_status("scaledobjects", name, {"conditions": conditions})

    def autoscaler(self, name: str) -> JSON:
        """The HPA that KEDA would make, aimed at nothing, so that what it says is what a test says."""
        meta = {"name": f"keda-hpa-{name}", "labels": {"asya.sh/actor": name}}
        nothing = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "nothing"}
        spec = {"scaleTargetRef": nothing, "minReplicas": 1, "maxReplicas": 50}
        return self.api.create("horizontalpodautoscalers", self.namespace, {"metadata": meta, "spec": spec})

    def autoscaler_says(self, name: str, **status: Any) -> None:
        """A part of the HPA's status."""
        self._patch_status("horizontalpodautoscalers", f"keda-hpa-{name}", status)

    # the broker

    def queue(self, name: str) -> str:
        """Name of the actor's main queue."""
        return f"asya-{self.namespace}-{name}"

    def queues(self) -> set[str]:
        """All queues of the virtual host, delay tiers left out."""
        listed = self.broker.ask("GET", f"queues/{self.vhost}")
        return {item["name"] for item in listed if not item["name"].startswith("asya.delay.")}

    def holds(self, queue: str, messages: int) -> None:
        """Wait until the broker says so: its figures lag behind a little, and are absent for a moment after a change."""
        path = f"queues/{self.vhost}/{queue}"
        until(lambda: self.broker.ask("GET", path).get("messages") == messages, what=f"{queue} holds {messages}")

    def fill(self, queue: str, number: int) -> None:
        """Put messages in."""
        body = {"properties": {"delivery_mode": 2}, "routing_key": queue, "payload": "{}", "payload_encoding": "string"}
        for _ in range(number):
            answer = self.broker.ask("POST", f"exchanges/{self.vhost}/amq.default/publish", body)
            assert answer["routed"], f"no queue {queue}"


def condition(status: JSON, kind: str) -> tuple[str, str]:
    """Status and reason of a condition; two empty texts when it is absent."""
    empty: JSON = {}
    found = next((entry for entry in status.get("conditions") or () if entry["type"] == kind), empty)
    return str(found.get("status", "")), str(found.get("reason", ""))


def message(status: JSON, kind: str) -> str:
    """Message of a condition."""
    return next((str(entry["message"]) for entry in status["conditions"] if entry["type"] == kind), "")


def states(status: JSON) -> tuple[str, str, str]:
    """Ready, Reconciling and Stalled: what `kubectl wait` and Flux read; empty for an absent one."""
    ready, reconciling, stalled = (condition(status, kind)[0] for kind in ("Ready", "Reconciling", "Stalled"))
    return ready, reconciling, stalled


def stamp(seconds_ago: float = 0) -> str:
    """A time as Kubernetes writes it."""
    return (datetime.now(UTC) - timedelta(seconds=seconds_ago)).strftime("%Y-%m-%dT%H:%M:%SZ")


def ready(pod: JSON) -> JSON:
    """The status of a pod whose containers run and are ready."""
    statuses = [
        container_status(item["name"], {"running": {"startedAt": stamp(120)}}, True)
        for item in pod["spec"]["containers"]
    ]
    return {"phase": "Running", "conditions": conditions(True), "containerStatuses": statuses}


def failing(pod: JSON, container: str, state: JSON, restarts: int, last: JSON | None) -> JSON:
    """The status of a pod with one container in `state`."""
    statuses = []
    for item in pod["spec"]["containers"]:
        if item["name"] == container:
            statuses.append(container_status(container, state, False, restarts, last))
        else:
            statuses.append(container_status(item["name"], {"running": {"startedAt": stamp(120)}}, True))
    return {"phase": "Running", "conditions": conditions(False), "containerStatuses": statuses}


def container_status(name: str, state: JSON, is_ready: bool, restarts: int = 0, last: JSON | None = None) -> JSON:
    """One container as a kubelet reports it."""
    return {
        "name": name, "state": state, "ready": is_ready, "restartCount": restarts, "image": "i", "imageID": "",
        "lastState": last or {},
    }  # fmt: skip


def conditions(is_ready: bool) -> list[JSON]:
    """A scheduled pod's conditions."""
    kinds = {
        "PodScheduled": True,
        "PodReadyToStartContainers": True,
        "Initialized": True,
        "ContainersReady": is_ready,
        "Ready": is_ready,
    }
    return [{"type": kind, "status": str(value), "lastTransitionTime": stamp()} for kind, value in kinds.items()]


LEASES = {"apiGroups": ["coordination.k8s.io"], "resources": ["leases"], "verbs": ["get", "create", "update", "patch"]}


def leading(cluster: Cluster, namespace: str) -> dict[str, str]:
    """Variables of a controller that leads by a lease in the test's own namespace: in the installation's others may be waiting for it."""
    permit(cluster, namespace, (LEASES,), "leases")
    return {"ASYA_LEADER_ELECT": "true", "POD_NAMESPACE": namespace}


def permit(cluster: Cluster, namespace: str, rules: tuple[JSON, ...], name: str = "more") -> None:
    """Give the controller more than the shipped manifests do, as an overlay does."""
    if rules:
        role = {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": name}
        subject = {"kind": "ServiceAccount", "name": CONTROLLER, "namespace": SYSTEM}
        cluster.api.create("roles", namespace, {"metadata": {"name": name}, "rules": list(rules)})
        binding = {"metadata": {"name": name}, "roleRef": role, "subjects": [subject]}
        cluster.api.create("rolebindings", namespace, binding)


@contextlib.contextmanager
def bed(
    cluster: Cluster,
    broker: Broker,
    transports: Callable[[Broker, str], JSON] | None = None,
    environ: dict[str, str] | None = None,
    permissions: tuple[JSON, ...] = (),
    leads: bool = False,
    command: Sequence[str] | None = None,
    **config: Any,
) -> Iterator[Bed]:
    """A bed with its controller running; `transports` makes more of them, `permissions` rules of an overlay, `leads`: with a lease,
    `command` starts a controller in another way, `config` is the rest of the operator's configuration. At its end
    every request is judged, and the controller and a successor have to be quiet.
    """
    with cluster.namespace() as namespace, broker.vhost() as vhost, watched(cluster, *permissions) as proxy:
        permit(cluster, namespace, permissions)
        environ = (environ or {}) | (leading(cluster, namespace) if leads else {})
        every = {"rabbitmq": rabbitmq(broker, vhost), **(transports(broker, vhost) if transports else {})}
        document = {"transports": every, "sidecar": {"image": "asya-sidecar:test"}, **config}
        with running(proxy, (namespace,), document, environ, command) as controller:
            home = Bed(cluster, namespace, broker, vhost, controller, proxy)
            yield home
            if controller.process is not None and controller.process.poll() is None:
                panics = controller.metric("controller_runtime_reconcile_panics_total")
                assert panics == 0, controller.log()[-3000:]
            prove_quiet(controller, proxy, cluster.api, namespace, frozenset(home.forgotten))
