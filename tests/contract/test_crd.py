"""The AsyncActor resource as the contract writes it down, each table held against the generated definition (contract: crd).

Long because it follows one page of the contract table by table.
"""

from typing import Any

import pytest
from ruamel.yaml import YAML

from asya_schemas.actor.crd import crd
from asya_schemas.actor.problems import Severity
from asya_schemas.actor.resource import AsyncActor
from asya_schemas.actor.rules import RULES
from asya_schemas.actor.status import StatusValue
from asya_schemas.actor.validate import validate
from tests.support.actors import POD, RUNTIME, actor
from tests.support.rule_cases import BROKEN, KEPT, MESSAGES, cases

DEFINITION = crd()
VERSION = DEFINITION["spec"]["versions"][0]
ROOT: dict[str, Any] = VERSION["schema"]["openAPIV3Schema"]


def field(path: str) -> dict[str, Any]:
    """The schema of a field under spec; `[]` goes into a list, `{}` into a map."""
    node = ROOT["properties"]["spec"]
    for part in path.split("."):
        name = part.removesuffix("[]").removesuffix("{}")
        node = node["properties"][name]
        node = node["items"] if part.endswith("[]") else node
        node = node["additionalProperties"] if part.endswith("{}") else node
    return dict(node)


def errors(*changes: Any) -> list[str]:
    return [p.message for p in validate(actor(*changes)) if p.severity is Severity.ERROR]


# --- 1. Identity ------------------------------------------------------------------------------------------------------


def test_identity_of_the_resource() -> None:
    spec = DEFINITION["spec"]
    assert (spec["group"], spec["scope"]) == ("asya.sh", "Namespaced")
    assert spec["names"] == {
        "kind": "AsyncActor",
        "listKind": "AsyncActorList",
        "plural": "asyncactors",
        "singular": "asyncactor",
        "shortNames": ["asya", "asyas"],
    }


def test_one_version_is_served_and_stored_with_a_status_and_no_scale() -> None:
    assert len(DEFINITION["spec"]["versions"]) == 1
    assert (VERSION["name"], VERSION["served"], VERSION["storage"]) == ("v1alpha1", True, True)
    assert VERSION["subresources"] == {"status": {}}
    assert "conversion" not in DEFINITION["spec"]


# --- 2. Spec ----------------------------------------------------------------------------------------------------------

STORED_DEFAULTS = {
    "sidecar.imagePullPolicy": "IfNotPresent",
    "scaling.enabled": False,
    "scaling.minReplicas": 0,
    "scaling.maxReplicas": 50,
    "scaling.pollingInterval": 10,
    "scaling.cooldownPeriod": 60,
    "scaling.queueLength": 5,
    "scaling.advanced.metricType": "AverageValue",
    "scaling.advanced.restoreToOriginalReplicaCount": False,
    "resiliency.policies{}.maxAttempts": 3,
    "resiliency.policies{}.backoff": "exponential",
    "resiliency.policies{}.initialDelay": "1s",
    "resiliency.policies{}.maxInterval": "5m",
    "resiliency.policies{}.jitter": True,
    "resiliency.policies{}.onExhausted": [],
}
EFFECTIVE_ONLY = [
    "sidecar.image",
    "sidecar.resources",
    "timeout.processing",
    "timeout.gracefulShutdown",
    "resiliency.actorTimeout",
    "resiliency.policies{}.maxDuration",
    "workload.kind",
    "workload.type",
    "workload.replicas",
    "workload.pythonExecutable",
]
RANGES = {
    "timeout.processing": (0, 86400),
    "timeout.gracefulShutdown": (0, 90000),
    "scaling.minReplicas": (0, 1000),
    "scaling.maxReplicas": (1, 1000),
    "scaling.pollingInterval": (1, 3600),
    "scaling.cooldownPeriod": (0, 86400),
    "scaling.queueLength": (1, 1_000_000),
    "resiliency.policies{}.maxAttempts": (1, 100),
    "workload.replicas": (0, 1000),
}
ENUMS = {
    "sidecar.imagePullPolicy": ["Always", "IfNotPresent", "Never"],
    "scaling.advanced.metricType": ["AverageValue", "Value", "Utilization"],
    "resiliency.policies{}.backoff": ["constant", "linear", "exponential"],
    "workload.kind": ["Deployment", "StatefulSet"],
    "workload.type": ["Deployment", "StatefulSet"],
}
LENGTHS = {
    "transport": (1, 63),
    "sidecar.image": (1, 512),
    "scaling.advanced.formula": (1, 1024),
    "scaling.advanced.target": (None, 32),
    "scaling.advanced.activationTarget": (None, 32),
    "resiliency.actorTimeout": (None, 32),
    "workload.pythonExecutable": (None, 512),
}


@pytest.mark.parametrize("path", STORED_DEFAULTS)
def test_a_stored_default_stands_in_the_schema(path: str) -> None:
    assert field(path)["default"] == STORED_DEFAULTS[path]


@pytest.mark.parametrize("path", EFFECTIVE_ONLY)
def test_an_effective_default_does_not_stand_in_the_schema(path: str) -> None:
    assert "default" not in field(path)


@pytest.mark.parametrize("path", RANGES)
def test_an_integer_has_its_range(path: str) -> None:
    schema = field(path)
    assert (schema["type"], schema["minimum"], schema["maximum"]) == ("integer", *RANGES[path])


@pytest.mark.parametrize("path", ENUMS)
def test_a_choice_has_its_values(path: str) -> None:
    assert field(path)["enum"] == ENUMS[path]


@pytest.mark.parametrize("path", LENGTHS)
def test_a_text_has_its_length(path: str) -> None:
    schema = field(path)
    assert (schema.get("minLength"), schema["maxLength"]) == LENGTHS[path]


@pytest.mark.parametrize(
    ("path", "word", "limit"),
    [
        ("sidecar.env", "maxItems", 64),
        ("sidecar.resources.limits", "maxProperties", 32),
        ("sidecar.resources.requests", "maxProperties", 32),
        ("sidecar.resources.claims", "maxItems", 32),
        ("resiliency.policies", "maxProperties", 16),
        ("resiliency.rules", "maxItems", 64),
        ("resiliency.rules[].errors", "maxItems", 32),
        ("resiliency.rules[].errors", "minItems", 1),
        ("resiliency.policies{}.onExhausted", "maxItems", 8),
        ("workload.template.metadata.labels", "maxProperties", 64),
        ("workload.template.metadata.annotations", "maxProperties", 64),
        ("workload.template.spec.containers", "maxItems", 32),
        ("workload.template.spec.containers", "minItems", 1),
        ("workload.template.spec.initContainers", "maxItems", 32),
        ("workload.template.spec.volumes", "maxItems", 64),
        ("workload.template.spec.containers[].env", "maxItems", 256),
        ("workload.template.spec.containers[].volumeMounts", "maxItems", 64),
        ("workload.template.spec.containers[].command", "maxItems", 64),
        ("workload.template.spec.containers[].name", "maxLength", 63),
        ("workload.template.spec.containers[].image", "maxLength", 512),
        ("workload.template.spec.containers[].env[].name", "maxLength", 256),
        ("workload.template.spec.containers[].env[].value", "maxLength", 32768),
        ("workload.template.spec.containers[].volumeMounts[].mountPath", "maxLength", 1024),
        ("workload.template.metadata.labels{}", "maxLength", 63),
        ("workload.template.metadata.annotations{}", "maxLength", 4096),
    ],
)
def test_a_list_map_or_text_has_its_limit(path: str, word: str, limit: int) -> None:
    assert field(path)[word] == limit


@pytest.mark.parametrize(
    ("path", "keys"),
    [
        ("sidecar.env", ["name"]),
        ("workload.template.spec.containers", ["name"]),
        ("workload.template.spec.initContainers", ["name"]),
        ("workload.template.spec.volumes", ["name"]),
        ("workload.template.spec.containers[].env", ["name"]),
        ("workload.template.spec.containers[].volumeMounts", ["mountPath"]),
    ],
)
def test_a_list_is_a_map_by_its_key(path: str, keys: list[str]) -> None:
    schema = field(path)
    assert (schema["x-kubernetes-list-type"], schema["x-kubernetes-list-map-keys"]) == ("map", keys)


@pytest.mark.parametrize("path", ["resiliency.rules", "resiliency.rules[].errors", "resiliency.policies{}.onExhausted"])
def test_every_other_list_is_atomic(path: str) -> None:
    assert field(path)["x-kubernetes-list-type"] == "atomic"


@pytest.mark.parametrize(
    ("path", "required"),
    [
        ("workload", ["template"]),
        ("workload.template", ["spec"]),
        ("workload.template.spec", ["containers"]),
        ("workload.template.spec.containers[]", ["name", "image"]),
        ("resiliency.rules[]", ["errors", "policy"]),
    ],
)
def test_what_is_required_is_required(path: str, required: list[str]) -> None:
    assert field(path)["required"] == required


def test_spec_transport_and_workload_are_required() -> None:
    assert ROOT["required"] == ["spec"]
    assert ROOT["properties"]["spec"]["required"] == ["transport", "workload"]


@pytest.mark.parametrize("text", ["90s", "1m30s", "500ms", "24h", "0.5s", "23h59m60s"])
def test_a_duration_is_accepted(text: str) -> None:
    assert errors((("spec", "resiliency", "actorTimeout"), text)) == []


@pytest.mark.parametrize("text", ["", "90", "-1s", "1d", "0s", "24h1ms", "1m 30s", "9" * 31 + "ms", "1.5.5s"])
def test_another_text_is_no_duration(text: str) -> None:
    (message,) = errors((("spec", "resiliency", "actorTimeout"), text))
    assert message.startswith("spec.resiliency.actorTimeout: expected a duration above 0s to 24h")


def test_the_first_delay_may_be_zero_and_the_longest_may_not() -> None:
    policies = ("spec", "resiliency", "policies")
    assert errors((policies, {"default": {"initialDelay": "0s"}})) == []
    assert len(errors((policies, {"default": {"maxInterval": "0s"}}))) == 1


# --- 3. Rules ---------------------------------------------------------------------------------------------------------


def test_there_are_eighteen_rules_with_the_texts_of_the_contract() -> None:
    assert {rule.id: rule.message for rule in RULES} == MESSAGES


@pytest.mark.parametrize(("rule", "changes"), cases(BROKEN))
def test_a_broken_rule_is_told_in_its_own_words_and_nothing_else_is(rule: str, changes: list[Any]) -> None:
    assert errors(*changes) == [MESSAGES[rule]]


@pytest.mark.parametrize(("rule", "changes"), cases(KEPT))
def test_the_last_allowed_value_of_a_rule_is_allowed(rule: str, changes: list[Any]) -> None:
    assert errors(*changes) == [], rule


def test_two_runtime_containers_are_one_too_many() -> None:
    second = {"name": "asya-runtime", "image": "x", "env": [{"name": "ASYA_HANDLER", "value": "a.b"}]}
    assert MESSAGES["V4"] in errors(((*POD, "containers", 1), second))


def test_an_interpreter_from_elsewhere_is_refused() -> None:
    entry = {"name": "ASYA_PYTHONEXECUTABLE", "valueFrom": {"secretKeyRef": {"name": "a", "key": "b"}}}
    assert errors(((*RUNTIME, "env", 1), entry)) == ["ASYA_PYTHONEXECUTABLE must be a literal value"]


def test_rules_at_the_root_let_pass_what_broke_them_before() -> None:
    root = {v["message"]: v.get("optionalOldSelf") for v in ROOT["x-kubernetes-validations"]}
    assert root == {MESSAGES[rule]: True for rule in ("V1", "V2", "V3")}


# --- 4. Status, 9. Columns --------------------------------------------------------------------------------------------


def test_a_fresh_object_is_never_mistaken_for_a_finished_one() -> None:
    assert ROOT["properties"]["status"]["default"] == {"observedGeneration": -1}


def test_there_are_sixteen_status_values() -> None:
    values = ROOT["properties"]["status"]["properties"]["status"]["enum"]
    assert values == list(StatusValue.__args__)  # type: ignore[attr-defined]
    assert len(values) == 16


def test_status_has_the_fields_of_the_contract() -> None:
    assert set(ROOT["properties"]["status"]["properties"]) == {
        "observedGeneration",
        "status",
        "message",
        "conditions",
        "readyReplicas",
        "pendingReplicas",
        "failingPods",
        "totalReplicas",
        "desiredReplicas",
        "lastScaleTime",
        "lastScaleDirection",
        "lastScaleFormatted",
        "shortSince",
        "scalingMode",
        "transportStatus",
        "transport",
        "queue",
        "queueUrl",
        "deadLetterQueue",
        "queuedMessages",
        "processingMessages",
        "previousQueues",
        "workloadRef",
        "scaledObjectRef",
        "suspended",
        "lastHandledReconcileAt",
    }


@pytest.mark.parametrize(("name", "key", "limit"), [("conditions", "type", 32), ("previousQueues", "queue", 4)])
def test_lists_of_status_are_maps(name: str, key: str, limit: int) -> None:
    schema = ROOT["properties"]["status"]["properties"][name]
    assert (schema["x-kubernetes-list-map-keys"], schema["maxItems"]) == ([key], limit)


def test_columns_are_those_of_the_contract_in_their_order() -> None:
    columns = VERSION["additionalPrinterColumns"]
    shown = [c["name"] for c in columns if "priority" not in c]
    wide = [(c["name"], c["jsonPath"]) for c in columns if c.get("priority") == 1]
    assert shown == ["Status", "Running", "Pending", "Failing", "Total", "Desired", "Min", "Max", "Last-Scale", "Age"]
    assert wide == [
        ("Workload", ".status.workloadRef.kind"),
        ("Transport", ".status.transportStatus"),
        ("Scaling", ".status.scalingMode"),
        ("Queued", ".status.queuedMessages"),
        ("Processing", ".status.processingMessages"),
    ]


def test_every_column_shows_a_field_that_exists() -> None:
    for column in VERSION["additionalPrinterColumns"]:
        first, *path = column["jsonPath"].removeprefix(".").split(".")
        node = ROOT["properties"][first]
        for name in path if first != "metadata" else ():
            node = node["properties"][name]
        expected = {"date": "object"}.get(column["type"], column["type"])
        assert node["type"] == expected, column["name"]


# --- 10. Examples -----------------------------------------------------------------------------------------------------

EXAMPLES = """
apiVersion: asya.sh/v1alpha1
kind: AsyncActor
metadata: {name: summarise, namespace: nlp, annotations: {asya.sh/deletion-policy: Retain}}
spec:
  transport: rabbit-eu
  sidecar:
    image: registry.example.com/asya-sidecar:1.0.0
    imagePullPolicy: Always
    resources: {requests: {cpu: 50m, memory: 128Mi}, limits: {memory: 512Mi}}
    env: [{name: ASYA_LOG_LEVEL, value: DEBUG}]
  timeout: {processing: 120, gracefulShutdown: 180}
  scaling:
    enabled: true
    minReplicas: 0
    maxReplicas: 20
    pollingInterval: 10
    cooldownPeriod: 120
    queueLength: 4
    advanced: {formula: queue, target: "4", activationTarget: "1", metricType: AverageValue, restoreToOriginalReplicaCount: false}
  resiliency:
    policies:
      default: {maxAttempts: 3, backoff: exponential, initialDelay: 2s, maxInterval: 1m}
      throttled: {maxAttempts: 10, backoff: linear, initialDelay: 30s, maxDuration: 1h, onExhausted: [manual-review]}
      never: {maxAttempts: 1}
    rules:
    - {errors: [openai.RateLimitError, TimeoutError], policy: throttled}
    - {errors: [ValueError, TypeError], policy: never}
  workload:
    kind: Deployment
    pythonExecutable: /opt/venv/bin/python
    template:
      metadata: {labels: {team: nlp}, annotations: {prometheus.io/scrape: "true"}}
      spec:
        containers:
        - name: asya-runtime
          image: registry.example.com/summarise:2.0.1
          env:
          - {name: ASYA_HANDLER, value: app.Summariser.run}
          - {name: ASYA_HANDLER_MODE, value: payload}
          - name: API_KEY
            valueFrom: {secretKeyRef: {name: llm-api, key: token}}
          resources: {requests: {cpu: "1", memory: 2Gi}, limits: {memory: 4Gi}}
        - {name: cache, image: "redis:7"}
---
apiVersion: asya.sh/v1alpha1
kind: AsyncActor
metadata: {name: indexer, namespace: search}
spec:
  transport: sqs
  timeout: {processing: 600}
  workload:
    kind: StatefulSet
    replicas: 2
    template:
      spec:
        containers:
        - name: asya-runtime
          image: registry.example.com/indexer:3.1.0
          env: [{name: ASYA_HANDLER, value: indexer.Index.add}]
          volumeMounts: [{name: shared, mountPath: /data}]
        volumes: [{name: shared, persistentVolumeClaim: {claimName: index-data}}]
---
apiVersion: asya.sh/v1alpha1
kind: AsyncActor
metadata: {name: image-gen, namespace: vision}
spec:
  transport: rabbitmq
  timeout: {processing: 900}
  scaling: {enabled: true, maxReplicas: 8, queueLength: 1, cooldownPeriod: 300}
  workload:
    template:
      spec:
        nodeSelector: {accelerator: a100}
        tolerations: [{key: nvidia.com/gpu, operator: Exists, effect: NoSchedule}]
        containers:
        - name: asya-runtime
          image: registry.example.com/image-gen:0.9.0
          env:
          - {name: ASYA_HANDLER, value: gen.Model.generate}
          - {name: ASYA_PYTHONEXECUTABLE, value: /opt/conda/bin/python}
          resources: {limits: {nvidia.com/gpu: "1", memory: 24Gi}, requests: {cpu: "4", memory: 24Gi}}
          startupProbe:
            exec: {command: [sh, -c, "test -S /var/run/asya/asya-runtime.sock && test -f /var/run/asya/runtime-ready"]}
            periodSeconds: 5
            failureThreshold: 240
"""
DOCUMENTS = list(YAML(typ="safe", pure=True).load_all(EXAMPLES))


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda document: document["metadata"]["name"])
def test_an_example_of_the_contract_has_no_problem(document: Any) -> None:
    assert validate(document) == []


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda document: document["metadata"]["name"])
def test_an_example_of_the_contract_is_the_same_after_the_typed_models(document: Any) -> None:
    typed = AsyncActor.model_validate(document)
    assert typed.model_dump(by_alias=True, exclude_unset=True) == document
