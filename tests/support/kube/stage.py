"""A controller at work behind the proxy, and scenarios played on it: undisturbed, with a crash at one write, or with a fault in a watch.

The outcome of a scenario is the state it leaves, and what was created, changed and deleted on the way. Whatever goes wrong in between, both
must be those of the undisturbed run. Used by tests/contract/test_controller_crashes.py and tests/cluster.
"""

from __future__ import annotations

import contextlib
import copy
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from tests.support.controller_bed import Bed
from tests.support.controller_process import ControllerProcess, rabbitmq
from tests.support.kube.api import JSON
from tests.support.kube.cluster import Cluster
from tests.support.kube.proxy import ApiProxy
from tests.support.kube.record import differences, substance
from tests.support.kube.watched import watched
from tests.support.rabbitmq import Broker
from tests.support.wait import until

KINDS = (
    "asyncactors",
    "deployments",
    "statefulsets",
    "scaledobjects",
    "triggerauthentications",
    "configmaps",
)
QUIET_S = 1.5
# Another pass comes with the check of the queues at the latest, every 5 s in tests.
LONG_QUIET_S = 6.0
# Differ from one namespace and moment to the next: times, hashes of what holds the namespace's name, and counts of messages, which a
# broker's management interface knows a while after it has made a queue.
UNSTEADY = frozenset(
    {
        "lastTransitionTime",
        "lastScaleTime",
        "lastScaleFormatted",
        "shortSince",
        "queuedMessages",
        "processingMessages",
        "creationTimestamp",
        "uid",
        "asya.sh/applied-hash",
        "asya.sh/template-hash",
    }
)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a scenario came to."""

    writes: int
    effects: Counter[tuple[str, str, str]]
    state: JSON


class Stage(Bed):
    """A bed whose controller is watched, may crash and comes back, as under a kubelet."""

    def __init__(
        self,
        cluster: Cluster,
        namespace: str,
        broker: Broker,
        vhost: str,
        controller: ControllerProcess,
        proxy: ApiProxy,
    ) -> None:
        super().__init__(cluster, namespace, broker, vhost, controller, proxy)
        self._changing = threading.Lock()

    def crash(self) -> None:
        """Killed, and started again at once."""
        with self._changing:
            self.controller.kill()
            self.controller.launch()

    def is_ready(self) -> bool:
        """The controller that runs now has filled its caches."""
        with self._changing:
            return self.controller.is_ready()

    def current(self) -> bool:
        """Every actor's status speaks of its generation, and none is being deleted."""
        return all(
            item.get("status", {}).get("observedGeneration") == item["metadata"]["generation"]
            and not item["metadata"].get("deletionTimestamp")
            for item in self.api.items("asyncactors", self.namespace)
        )

    def settle(self, quiet_s: float = QUIET_S, within_s: float = 120.0) -> None:
        """Wait until everything is current and nothing was written for a while. Silence has no event, so this waits for time to pass.

        The silence of a controller that is only starting says nothing: it is counted from when all was current.
        """
        unsettled_at = time.monotonic()

        def settled() -> bool:
            nonlocal unsettled_at
            if not (self.is_ready() and self.current()):
                unsettled_at = time.monotonic()
            writes = self.proxy.record.writes()
            return time.monotonic() - max(unsettled_at, writes[-1].at if writes else 0.0) > quiet_s

        try:
            until(settled, within_s, 0.1)
        except AssertionError:
            last = "\n".join(str(request)[:300] for request in self.proxy.record.writes()[-5:])
            raise AssertionError(f"not settled; last writes:\n{last}\n{self.controller.log()[-3000:]}") from None

    def prove_quiet(self) -> None:
        """A converged controller stops writing, and begins again neither by itself nor after a restart.

        Raises:
            AssertionError: with the writes.
        """
        self.settle(LONG_QUIET_S)
        self.controller.stop()
        since = len(self.proxy.record.requests)
        self.controller.start()
        time.sleep(LONG_QUIET_S)
        wrong = self.proxy.record.writes(since)
        assert not wrong, "\n".join(["writes of a controller that was restarted when all was done:", *map(str, wrong)])

    def outcome(self) -> Outcome:
        """Now."""
        return Outcome(len(self.proxy.record.writes()), self.proxy.record.effects(), self._state())

    def _state(self) -> JSON:
        found: JSON = {"queues": sorted(self._plain(name) for name in self.queues() if self.namespace in name)}
        for kind in KINDS:
            for item in self.api.items(kind, self.namespace):
                if item["metadata"]["name"] != "kube-root-ca.crt":
                    found[f"{kind}/{item['metadata']['name']}"] = self._plain(self._steady(kind, item))
        return found

    @staticmethod
    def _steady(kind: str, item: JSON) -> JSON:
        whole = copy.deepcopy(item)
        return substance(whole | ({"kind": "AsyncActor"} if kind == "asyncactors" else {}))

    def _plain(self, value: object) -> object:
        """Without times, uids, hashes and the names of the namespace and the virtual host."""
        if isinstance(value, dict):
            return {key: self._plain(item) for key, item in sorted(value.items()) if key not in UNSTEADY}
        if isinstance(value, list):
            return [self._plain(item) for item in value]
        if not isinstance(value, str):
            return value
        return value.replace(self.namespace, "NAMESPACE").replace(self.vhost, "VHOST")


@contextlib.contextmanager
def stage(cluster: Cluster, broker: Broker, *, start: bool = True) -> Iterator[Stage]:
    """A stage with its controller running; at the end the oracles have their say."""
    with cluster.namespace() as namespace, broker.vhost() as vhost, watched(cluster) as proxy:
        other = rabbitmq(broker, vhost, queueNameTemplate="other-{namespace}-{actor}")
        transports = {"rabbitmq": rabbitmq(broker, vhost), "other": other}
        config = {"transports": transports, "sidecar": {"image": "asya-sidecar:test"}}
        controller = ControllerProcess(proxy, (namespace,), config)
        try:
            if start:
                controller.start()
            yield Stage(cluster, namespace, broker, vhost, controller, proxy)
        finally:
            controller.close()


Scenario = Callable[[Stage], None]


_UNDISTURBED: dict[tuple[int, Scenario], Outcome] = {}
"""Of a cluster and a scenario."""


def undisturbed(cluster: Cluster, broker: Broker, scenario: Scenario) -> Outcome:
    """How the scenario ends by itself; played once for all tests of a cluster."""
    key = (id(cluster), scenario)
    if key not in _UNDISTURBED:
        _UNDISTURBED[key] = _play(cluster, broker, scenario, lambda _: None)
    return _UNDISTURBED[key]


def disturbed(
    cluster: Cluster, broker: Broker, scenario: Scenario, trouble: Callable[[Stage], object], what: str = ""
) -> Outcome:
    """The outcome of a scenario when `trouble`, which is arranged before the controller starts, has been survived.

    Raises:
        AssertionError: it ended differently, or something was created, changed or deleted more or less often than without trouble.
    """
    expected = undisturbed(cluster, broker, scenario)
    found = _play(cluster, broker, scenario, trouble)
    assert "\n".join(differences(expected.state, found.state)) == "", what
    assert found.effects == expected.effects, what
    return found


def _play(cluster: Cluster, broker: Broker, scenario: Scenario, disturb: Callable[[Stage], object]) -> Outcome:
    with stage(cluster, broker, start=False) as found:
        disturb(found)
        found.controller.launch()
        scenario(found)
        found.settle()
        return found.outcome()
