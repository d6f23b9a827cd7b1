"""The hands of a user, of KEDA and of a kubelet, in the measuring process: their CPU time is not the controller's.

They act on what they watch, as the real ones do. Used by bench/controller/phases.py.
"""

from __future__ import annotations

import http.client
import sys
import threading
import time
from collections.abc import Callable, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

from tests.support.actors import actor
from tests.support.controller_bed import ready, stamp
from tests.support.kube.api import MERGE, Api, Refused, path_of

JSON = dict[str, Any]
AT_ONCE = 8
WITHIN_S = 600.0


class Follower:
    """One kind in one namespace: list, then watch, again after every trouble; each version of each object is handed to `seen`."""

    def __init__(self, api: Api, kind: str, namespace: str, seen: Callable[[JSON], None]) -> None:
        self._api, self._kind, self._namespace, self._seen = api, kind, namespace, seen
        self._ended = False
        threading.Thread(target=self._run, name=f"follow-{kind}", daemon=True).start()

    def close(self) -> None:
        """Nothing is handed over any more."""
        self._ended = True

    def _run(self) -> None:
        while not self._ended:
            try:
                found = self._api.ask("GET", path_of(self._kind, self._namespace))
                for item in found["items"]:
                    self._seen(item)
                for event in self._api.watch(self._kind, self._namespace, found["metadata"]["resourceVersion"], 600):
                    if self._ended or event["type"] == "ERROR":
                        break
                    if event["type"] != "DELETED":
                        self._seen(event["object"])
            except (OSError, http.client.HTTPException, Refused, ValueError):
                time.sleep(0.5)  # the API server is away


class Hands:
    """`create` is the user's, `scale` the autoscaler's, `pod_status` the kubelet's; KEDA's word about a ScaledObject comes by itself."""

    def __init__(self, api: Api, namespace: str) -> None:
        self._api, self._namespace = api, namespace
        self._pool = ThreadPoolExecutor(AT_ONCE)
        self._changed = threading.Condition()
        self.actors: dict[str, JSON] = {}
        self.pods: dict[str, dict[str, JSON]] = {}
        """Actor -> name -> pod."""
        self.arrived: Callable[[str, JSON], None] = lambda _name, _status: None
        """Called with each version of an actor that the watch brings."""
        self._judged: set[str] = set()
        self._followers = [
            Follower(api, "asyncactors", namespace, self._actor),
            Follower(api, "scaledobjects", namespace, self._scaled_object),
            Follower(api, "pods", namespace, self._pod),
        ]

    def close(self) -> None:
        """Let go."""
        for follower in self._followers:
            follower.close()
        self._pool.shutdown(cancel_futures=True)

    # what is seen

    def _actor(self, item: JSON) -> None:
        name, status = item["metadata"]["name"], item.get("status") or {}
        with self._changed:
            self.actors[name] = item
            self._changed.notify_all()
        self.arrived(name, status)

    def _scaled_object(self, item: JSON) -> None:
        name = item["metadata"]["name"]
        if name not in self._judged:
            self._judged.add(name)
            conditions = [{"type": "Ready", "status": "True", "reason": "ScaledObjectReady", "message": "as wanted"}]
            self._later(self._patch_status, "scaledobjects", name, {"conditions": conditions})

    def _pod(self, item: JSON) -> None:
        name, of = item["metadata"]["name"], item["metadata"]["labels"].get("asya.sh/actor", "")
        with self._changed:
            new = name not in self.pods.setdefault(of, {})
            self.pods[of][name] = item
            self._changed.notify_all()
        if new and not (item.get("status") or {}).get("containerStatuses"):
            self._later(self._patch_status, "pods", name, ready(item))

    # what is done

    def _later(self, do: Callable[..., object], *arguments: object) -> None:
        """From the pool: whoever watches must not wait for an answer."""
        self._pool.submit(do, *arguments).add_done_callback(self._complain)

    @staticmethod
    def _complain(done: Future[object]) -> None:
        if not done.cancelled() and (error := done.exception()) is not None:
            sys.stderr.write(f"bench: {error}\n")

    def _patch_status(self, kind: str, name: str, status: JSON) -> None:
        self._api.ask("PATCH", f"{path_of(kind, self._namespace, name)}/status", {"status": status}, MERGE)

    def create(self, names: Iterable[str]) -> None:
        """New actors that KEDA scales, from zero on."""

        def one(name: str) -> None:
            document = actor((("metadata", "name"), name), (("metadata", "namespace"), self._namespace))
            document["spec"]["scaling"] = {"enabled": True, "maxReplicas": 10}
            self._api.create("asyncactors", self._namespace, document)

        list(self._pool.map(one, names))

    def scale(self, names: Iterable[str], replicas: int) -> None:
        """Another count for their Deployments."""

        def one(name: str) -> None:
            body = {"spec": {"replicas": replicas}}
            self._api.ask("PATCH", path_of("deployments/scale", self._namespace, name), body, MERGE)

        list(self._pool.map(one, names))

    def later_pod_turns(self, name: str, is_ready: bool) -> None:
        """The same, without waiting for the answer."""
        self._later(self.pod_turns, name, is_ready)

    def pod_turns(self, name: str, is_ready: bool) -> None:
        """One pod of the actor becomes ready, or stops being so."""
        pod = min(self.pods[name].values(), key=lambda item: str(item["metadata"]["name"]))
        status = ready(pod)
        if not is_ready:
            for entry in status["containerStatuses"]:
                entry["ready"] = False
            for entry in status["conditions"]:
                if entry["type"] in ("Ready", "ContainersReady"):
                    entry |= {"status": "False", "lastTransitionTime": stamp()}
        self._patch_status("pods", pod["metadata"]["name"], status)

    def wait(self, names: Iterable[str], reached: Callable[[JSON], bool], what: str) -> None:
        """Until every actor's status is such.

        Raises:
            RuntimeError: not in time; a figure of that would be none.
        """
        left, deadline = set(names), time.monotonic() + WITHIN_S
        with self._changed:
            while left := {name for name in left if not reached((self.actors.get(name) or {}).get("status") or {})}:
                if time.monotonic() > deadline:
                    some = sorted(left)[:3]
                    found = {name: (self.actors.get(name) or {}).get("status") for name in some}
                    raise RuntimeError(f"{len(left)} actors are not {what} after {WITHIN_S:g} s, for example {found}")
                self._changed.wait(1.0)


def napping(status: JSON) -> bool:
    """Converged without a message: queues, Deployment, TriggerAuthentication and ScaledObject are there and KEDA has said yes."""
    return status.get("status") == "Napping" and "ScaledObjectReady" in reasons(status)


def running(replicas: int) -> Callable[[JSON], bool]:
    """All pods are ready."""
    return lambda status: status.get("status") == "Running" and status.get("readyReplicas") == replicas


def reasons(status: JSON) -> set[str]:
    """The reasons of the conditions."""
    return {str(entry.get("reason")) for entry in status.get("conditions") or ()}
