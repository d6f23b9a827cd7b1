"""The rules V1-V18 of crd.md as cases: their messages, what breaks each and nothing else, and the last value that does not.

Used by the tests of the schema and of what a real API server says to it.
"""

from typing import Any

import pytest

from tests.support.actors import POD, RUNTIME

MESSAGES = {
    "V1": "metadata.name must be a DNS label of at most 63 characters (a-z, 0-9, '-')",
    "V2": "with scaling.enabled metadata.name must have at most 54 characters, so that keda-hpa-<name> fits",
    "V3": "with workload.kind StatefulSet metadata.name must have at most 52 characters, so that the revision label fits",
    "V4": "exactly one container must be named asya-runtime",
    "V5": "container asya-runtime must not set command: the controller sets it",
    "V6": "container name asya-sidecar is reserved, and asya-runtime cannot be an init container",
    "V7": "container asya-runtime must set the environment variable ASYA_HANDLER",
    "V8": "workload.type is a deprecated alias of workload.kind: they must be equal when both are set",
    "V9": "scaling.minReplicas must not be greater than scaling.maxReplicas",
    "V10": "scaling.advanced.formula requires scaling.advanced.target",
    "V11": "timeout.processing and resiliency.actorTimeout are one setting: they must be equal when both are set",
    "V12": "sidecar.env must not set a variable that the controller sets: actor name, namespace, transport, queue or socket",
    "V13": "container asya-runtime must not move the socket: ASYA_SOCKET_DIR, ASYA_SOCKETS_DIR and ASYA_SOCKET_NAME are"
    " set by the controller",
    "V14": "volume names socket-dir and asya-* are reserved",
    "V15": "mount paths at or below /var/run/asya and /opt/asya are reserved in container asya-runtime",
    "V16": "pod labels asya.sh/actor, asya.sh/asya and asya.sh/workload are set by the controller",
    "V17": "every resiliency rule must name a policy of resiliency.policies",
    "V18": "policy names use letters, digits, '-' and '_'",
}
OTHER = {"name": "other", "image": "x"}
NAME: Any = ("metadata", "name")
BROKEN: dict[str, list[list[Any]]] = {
    "V1": [[(NAME, "a" * 64)], [(NAME, "a.b")], [(NAME, "A")], [(NAME, "-a")], [(NAME, "a\n")]],
    "V2": [[(NAME, "a" * 55), (("spec", "scaling", "enabled"), True)]],
    "V3": [
        [(NAME, "a" * 53), (("spec", "workload", "kind"), "StatefulSet")],
        [(NAME, "a" * 53), (("spec", "workload", "type"), "StatefulSet")],
    ],
    "V4": [[((*RUNTIME, "name"), "app")]],
    "V5": [[((*RUNTIME, "command"), ["python"])]],
    "V6": [
        [((*POD, "containers", 1), {"name": "asya-sidecar", "image": "x"})],
        [((*POD, "initContainers"), [{"name": "asya-sidecar", "image": "x"}])],
        [((*POD, "initContainers"), [{"name": "asya-runtime", "image": "x"}])],
    ],
    "V7": [
        [((*RUNTIME, "env"), [])],
        [((*RUNTIME, "env"), [{"name": "ASYA_HANDLER", "value": ""}])],
        [((*RUNTIME, "env"), [{"name": "ASYA_HANDLER"}])],
    ],
    "V8": [[(("spec", "workload", "kind"), "Deployment"), (("spec", "workload", "type"), "StatefulSet")]],
    "V9": [[(("spec", "scaling"), {"minReplicas": 3, "maxReplicas": 2})], [(("spec", "scaling"), {"minReplicas": 51})]],
    "V10": [[(("spec", "scaling", "advanced", "formula"), "queue")]],
    "V11": [
        [(("spec", "timeout", "processing"), 60), (("spec", "resiliency", "actorTimeout"), "59s")],
        [(("spec", "timeout", "processing"), 60), (("spec", "resiliency", "actorTimeout"), "1m0.001s")],
    ],
    "V12": [
        [(("spec", "sidecar", "env"), [{"name": f"ASYA_{name}", "value": "x"}])]
        for name in (
            "ACTOR_NAME",
            "NAMESPACE",
            "TRANSPORT",
            "QUEUE_NAME",
            "QUEUE_NAME_TEMPLATE",
            "SOCKET_DIR",
            "SOCKETS_DIR",
            "SOCKET_NAME",
        )
    ],
    "V13": [
        [((*RUNTIME, "env", 1), {"name": "ASYA_SOCKET_DIR", "value": "/tmp/sockets"})],
        [((*RUNTIME, "env", 1), {"name": "ASYA_SOCKETS_DIR", "value": "/tmp/sockets"})],
        [((*RUNTIME, "env", 1), {"name": "ASYA_SOCKET_NAME", "value": "x.sock"})],
        [((*RUNTIME, "env", 1), {"name": "ASYA_SOCKET_DIR", "valueFrom": {}})],
    ],
    "V14": [[((*POD, "volumes"), [{"name": "socket-dir"}])], [((*POD, "volumes"), [{"name": "asya-x"}])]],
    "V15": [
        [((*RUNTIME, "volumeMounts"), [{"name": "a", "mountPath": path}])]
        for path in ("/var/run/asya", "/var/run/asya/x", "/run/asya", "/opt/asya/", "/opt//asya", "/opt/x/../asya")
    ],
    "V16": [
        [(("spec", "workload", "template", "metadata", "labels"), {label: "x"})]
        for label in ("asya.sh/actor", "asya.sh/asya", "asya.sh/workload")
    ],
    "V17": [[(("spec", "resiliency", "rules"), [{"errors": ["KeyError"], "policy": "none"}])]],
    "V18": [[(("spec", "resiliency", "policies"), {name: {}})] for name in ("a.b", "", "a" * 64)],
}
KEPT: dict[str, list[list[Any]]] = {
    "V1": [[(NAME, "a" * 63)], [(NAME, "0")]],
    "V2": [[(NAME, "a" * 54), (("spec", "scaling", "enabled"), True)], [(NAME, "a" * 63), (("spec", "scaling"), {})]],
    "V3": [[(NAME, "a" * 52), (("spec", "workload", "kind"), "StatefulSet")]],
    "V4": [[((*POD, "containers", 1), OTHER)]],
    "V5": [[((*RUNTIME, "command"), [])], [((*POD, "containers", 1), {**OTHER, "command": ["sh"]})]],
    "V6": [[((*POD, "initContainers"), [OTHER])]],
    "V7": [
        [((*RUNTIME, "env"), [{"name": "ASYA_HANDLER", "valueFrom": {"configMapKeyRef": {"name": "a", "key": "b"}}}])]
    ],
    "V8": [[(("spec", "workload", "kind"), "StatefulSet"), (("spec", "workload", "type"), "StatefulSet")]],
    "V9": [[(("spec", "scaling"), {"minReplicas": 2, "maxReplicas": 2})]],
    "V10": [[(("spec", "scaling", "advanced"), {"formula": "queue", "target": "4"})]],
    "V11": [
        [(("spec", "timeout", "processing"), 60), (("spec", "resiliency", "actorTimeout"), text)]
        for text in ("1m", "60s", "59.001s", "59s1ms")
    ]
    + [[(("spec", "timeout", "processing"), 0), (("spec", "resiliency", "actorTimeout"), "1m")]],
    "V12": [[(("spec", "sidecar", "env"), [{"name": "ASYA_LOG_LEVEL", "value": "DEBUG"}])]],
    "V13": [
        [((*RUNTIME, "env", 1), {"name": "ASYA_SOCKET_DIR", "value": "/var/run/asya"})],
        [((*RUNTIME, "env", 1), {"name": "ASYA_SOCKET_NAME", "value": "asya-runtime.sock"})],
    ],
    "V14": [[((*POD, "volumes"), [{"name": "asya"}])]],
    "V15": [
        [((*RUNTIME, "volumeMounts"), [{"name": "a", "mountPath": path}])]
        for path in ("/opt", "/var/run", "/opt/asyax")
    ],
    "V16": [[(("spec", "workload", "template", "metadata", "labels"), {"asya.sh/flow": "x"})]],
    "V17": [
        [(("spec", "resiliency"), {"policies": {"none": {}}, "rules": [{"errors": ["a.KeyError"], "policy": "none"}]})]
    ],
    "V18": [[(("spec", "resiliency", "policies"), {"A-b_1": {}, "a" * 63: {}})]],
}


def cases(table: dict[str, list[list[Any]]]) -> list[Any]:
    """As parameters `(rule, changes)` of a test."""
    return [
        pytest.param(rule, changes, id=f"{rule}-{n}") for rule, many in table.items() for n, changes in enumerate(many)
    ]
