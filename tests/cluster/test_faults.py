"""docs/faults.md shows what `kubectl describe asya` says about five faults; it is made here, on a real API server.

With ASYA_WRITE_DOCS=1 the page is written anew.
"""

import os
import re
from collections.abc import Callable, Iterator

import pytest

from tests.support.actors import POD, RUNTIME
from tests.support.console import ROOT
from tests.support.controller_bed import WITHIN_S, Bed, bed
from tests.support.kube.cluster import Cluster
from tests.support.rabbitmq import shared_node
from tests.support.wait import until

PAGE = ROOT / "docs" / "faults.md"
HEAD = """\
# Five faults as `kubectl describe` shows them

Made by tests/cluster/test_faults.py on a real API server. Shown is the end of `kubectl describe asya NAME`: the conditions, the status and
its message, the warnings among the Events. Spec, counters and normal Events are left out, names of pods and times are replaced.
`asya explain NAME` says the same with the next command to type.
"""
TRACEBACK = "Traceback (most recent call last):\nModuleNotFoundError: No module named 'shop.prices'"
CRASHED = {"terminated": {"exitCode": 3, "reason": "Error", "message": TRACEBACK}}


@pytest.fixture
def home(cluster: Cluster) -> Iterator[Bed]:
    with bed(cluster, shared_node()) as found:
        yield found


def unknown_transport(home: Bed) -> None:
    home.create("unknown-transport", transport="kafka")
    home.reaches("unknown-transport", "TransportError", "InvalidTransport")


def denied_field(home: Bed) -> None:
    home.create("denied-field", ((*POD, "volumes"), [{"name": "data", "hostPath": {"path": "/data"}}]))
    home.reaches("denied-field", "ConfigError", "PolicyViolation")


def missing_module(home: Bed) -> None:
    home.create("missing-module")
    (pod,) = home.has_pods("missing-module", 1)
    waiting = {"waiting": {"reason": "CrashLoopBackOff", "message": "back-off 40s restarting failed container"}}
    home.make_failing(pod, "asya-runtime", waiting, 3, CRASHED)
    home.reaches("missing-module", "RuntimeError", "RuntimeCrashLoop")


def missing_image(home: Bed) -> None:
    home.create("missing-image", ((*RUNTIME, "image"), "registry.example.com/shop:1.O"))
    (pod,) = home.has_pods("missing-image", 1)
    words = 'Back-off pulling image "registry.example.com/shop:1.O": not found'
    home.make_failing(pod, "asya-runtime", {"waiting": {"reason": "ImagePullBackOff", "message": words}})
    home.reaches("missing-image", "ImagePullError", "ImagePullFailed")


def no_quota(home: Bed) -> None:
    quota = {"metadata": {"name": "small"}, "spec": {"hard": {"pods": "0"}}}
    home.api.create("resourcequotas", home.namespace, quota)
    until(lambda: (home.api.get("resourcequotas", home.namespace, "small").get("status") or {}).get("hard"), WITHIN_S)
    home.create("no-quota")
    home.reaches("no-quota", "PendingResources", "QuotaExceeded")


# The last one forbids further pods.
FAULTS: dict[str, tuple[str, Callable[[Bed], None]]] = {
    "unknown-transport": (
        "`spec.transport` names a transport that the operator configuration does not have",
        unknown_transport,
    ),
    "denied-field": ("the pod template uses a field that the operator denies", denied_field),
    "missing-module": ("the handler's module cannot be imported", missing_module),
    "missing-image": ("the image does not exist", missing_image),
    "no-quota": ("the namespace's quota allows no more pods", no_quota),
}


def described(home: Bed, name: str) -> str:
    """The telling part of what kubectl prints, once the Event of the fault is there."""

    def printed() -> str:
        text = home.cluster.kubectl("describe", "asya", name, "-n", home.namespace).stdout
        return text if any(" Warning " in line and "EndActorMissing" not in line for line in text.splitlines()) else ""

    text = until(printed, WITHIN_S, 0.5, what=f"a warning about {name}")
    conditions = text[
        text.index("  Conditions:") : text.index("  Dead Letter Queue:") if "Dead Letter" in text else None
    ]
    conditions = (
        conditions[: conditions.index("  Desired Replicas:")] if "  Desired Replicas:" in conditions else conditions
    )
    after = text[text.index("  Conditions:") + len(conditions) :]
    fields = [line for line in after.splitlines() if re.match(r"  (Message|Status):", line)]
    rows = [line for line in after.splitlines() if re.match(r"  Warning ", line) and "EndActorMissing" not in line]
    events = sorted({" ".join(row.split()[:2]) + "  " + row.split("asya-controller", 1)[1].strip() for row in rows})
    return same_every_time(
        "\n".join(["Status:", conditions.rstrip(), *fields, "Events:", *(f"  {row}" for row in events)]),
        name,
        home.namespace,
    )


def same_every_time(text: str, name: str, namespace: str) -> str:
    """Without what is another in every run."""
    text = re.sub(rf"{name}-[0-9a-f]{{8,10}}-[a-z0-9]{{5}}", f"{name}-5d9c7b6f48-x2x7q", text)
    text = re.sub(rf"{name}-[0-9a-f]{{8,10}}\b", f"{name}-5d9c7b6f48", text)
    text = re.sub(r"\d{4}-\d\d-\d\dT[\d:.]+Z", "2026-01-01T12:00:00Z", text)
    return text.replace(namespace, "shop")


@pytest.mark.timeout(300)
def test_the_page_shows_what_kubectl_describe_prints(home: Bed) -> None:
    parts = [HEAD]
    for name, (words, make) in FAULTS.items():
        make(home)
        parts.append(f"## {name}: {words}\n\n```text\n{described(home, name)}\n```\n")
    page = "\n".join(parts)
    if os.environ.get("ASYA_WRITE_DOCS"):
        PAGE.write_text(page)
    assert PAGE.read_text() == page
