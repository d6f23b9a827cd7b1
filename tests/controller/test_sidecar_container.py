"""The injected sidecar: image, rights, credentials and variables (contract: controller, The pod)."""

from typing import Any

import pytest

from asya_controller.decide.config import OperatorConfig, local_config, operator_config
from asya_controller.decide.desired import config_map, config_map_name, desired_objects
from asya_controller.decide.sidecar import ALIASES
from asya_controller.decide.transports import Sqlite
from asya_sidecar.settings import from_environ
from asya_sidecar.settings.variables import VARIABLES
from tests.controller.worlds import RABBITMQ, SQS, Json, actor, config, desired_of, fixed, merge


def containers(document: Json, operator: OperatorConfig | None = None) -> dict[str, Json]:
    return {item["name"]: item for item in desired_of(document, operator).pod_template["spec"]["containers"]}


def env(container: Json) -> dict[str, Any]:
    names = [entry["name"] for entry in container["env"]]
    assert len(names) == len(set(names)), names
    return {entry["name"]: entry.get("value", entry.get("valueFrom")) for entry in container["env"]}


def runtime(**fields: Any) -> Json:
    document = actor()
    document["spec"]["workload"]["template"]["spec"]["containers"][0].update(fields)
    return document


# --- the sidecar ------------------------------------------------------------------------------------------------------


def test_the_sidecar_passes_the_restricted_profile() -> None:
    found = containers(actor())["asya-sidecar"]
    assert found["securityContext"] == {
        "runAsNonRoot": True,
        "runAsUser": 65532,
        "runAsGroup": 65532,
        "allowPrivilegeEscalation": False,
        "capabilities": {"drop": ["ALL"]},
        "readOnlyRootFilesystem": True,
        "seccompProfile": {"type": "RuntimeDefault"},
    }
    assert found["terminationMessagePolicy"] == "FallbackToLogsOnError"


def test_a_platform_that_assigns_users_gets_none() -> None:
    operator = operator_config({"transports": {"rabbitmq": RABBITMQ}, "sidecar": {"runAsUser": None}})
    context = containers(actor(), operator)["asya-sidecar"]["securityContext"]
    assert not {"runAsUser", "runAsGroup"} & set(context)


def test_only_the_sidecar_sees_credentials() -> None:
    mounted = {
        name
        for name, item in containers(actor()).items()
        if any(mount["name"] == "asya-credentials" for mount in item["volumeMounts"])
    }
    assert mounted == {"asya-sidecar"}
    assert "password" not in str(containers(actor())["asya-runtime"])


def test_probes_and_port_follow_a_literal_metrics_address() -> None:
    found = containers(actor({"sidecar": {"env": [{"name": "ASYA_METRICS_ADDR", "value": "0.0.0.0:9090"}]}}))[
        "asya-sidecar"
    ]
    assert found["ports"] == [{"name": "metrics", "containerPort": 9090, "protocol": "TCP"}]
    assert found["livenessProbe"] == {
        "httpGet": {"path": "/healthz", "port": 9090},
        "periodSeconds": 10,
        "timeoutSeconds": 3,
        "failureThreshold": 6,
    }
    assert found["readinessProbe"]["httpGet"] == {"path": "/readyz", "port": 9090}


def test_image_policy_and_resources_come_from_the_actor_else_the_operator() -> None:
    own = {"image": "mine:1", "imagePullPolicy": "Always", "resources": {"limits": {"memory": "1Gi"}}}
    found = containers(actor({"sidecar": own}))["asya-sidecar"]
    assert {key: found[key] for key in own} == own
    default = containers(actor())["asya-sidecar"]
    assert (default["imagePullPolicy"], default["resources"]) == (
        "IfNotPresent",
        {"requests": {"cpu": "10m", "memory": "64Mi"}},
    )


RABBITMQ_ENV = {
    "ASYA_ACTOR_NAME": "a",
    "ASYA_NAMESPACE": "ns",
    "ASYA_SOCKET_DIR": "/var/run/asya",
    "ASYA_TRANSPORT": "rabbitmq",
    "ASYA_QUEUE_NAME_TEMPLATE": "asya-{namespace}-{actor}",
    "ASYA_ACTOR_SINK": "x-sink",
    "ASYA_ACTOR_SUMP": "x-sump",
    "ASYA_RESILIENCY_ACTOR_TIMEOUT": "300s",
    "ASYA_GRACEFUL_SHUTDOWN": "330s",
    "ASYA_GATEWAY_URL": "",
    "ASYA_MAX_MESSAGE_BYTES": "10485760",
    "ASYA_LOG_LEVEL": "INFO",
    "ASYA_MAX_DELIVERIES": "5",
    "ASYA_RABBITMQ_HOST": "rabbit.mq",
    "ASYA_RABBITMQ_PORT": "5672",
    "ASYA_RABBITMQ_VHOST": "/",
    "ASYA_RABBITMQ_USERNAME": "asya",
    "ASYA_RABBITMQ_PASSWORD_FILE": "/etc/asya/credentials/password",
    "ASYA_RABBITMQ_DELAY_TIERS": "100ms,200ms,500ms,1s,2s,3s,5s,10s,15s,30s,1m,2m,5m,10m,15m,30m,1h",
    "ASYA_PREFETCH": "auto",
}


def test_the_sidecars_variables_on_rabbitmq() -> None:
    assert env(containers(actor())["asya-sidecar"]) == RABBITMQ_ENV


def test_tls_towards_rabbitmq() -> None:
    tls = {"enabled": True, "caSecretRef": {"name": "ca", "key": "ca"}, "serverName": "r", "insecureSkipVerify": True}
    document, operator = actor(), config(rabbitmq=merge(RABBITMQ, {"config": {"tls": tls}}))
    found = env(containers(document, operator)["asya-sidecar"])
    assert {name: value for name, value in found.items() if "TLS" in name or name.endswith("_PORT")} == {
        "ASYA_RABBITMQ_PORT": "5671",
        "ASYA_KEDA_TLS": "enable",
        "ASYA_RABBITMQ_TLS": "true",
        "ASYA_RABBITMQ_TLS_CA_FILE": "/etc/asya/credentials/ca.crt",
        "ASYA_RABBITMQ_TLS_SERVER_NAME": "r",
        "ASYA_RABBITMQ_TLS_INSECURE": "true",
    }
    sources = desired_of(document, operator).pod_template["spec"]["volumes"][-1]["projected"]["sources"]
    assert sources[1] == {"secret": {"name": "ca", "items": [{"key": "ca", "path": "ca.crt"}]}}


def test_a_user_name_may_come_from_a_secret() -> None:
    change = {"username": None, "usernameSecretRef": {"name": "rabbit", "key": "user"}}
    found = env(containers(actor(), config(rabbitmq=merge(RABBITMQ, {"config": change})))["asya-sidecar"])
    assert found["ASYA_RABBITMQ_USERNAME"] == {"secretKeyRef": {"name": "rabbit", "key": "user"}}


def test_the_sidecars_variables_on_sqs() -> None:
    credentials = {
        "accessKeyIdSecretRef": {"name": "aws", "key": "id"},
        "secretAccessKeySecretRef": {"name": "aws", "key": "key"},
    }
    operator = config(sqs=merge(SQS, {"config": {"credentials": credentials, "endpoint": "http://sqs:4566"}}))
    document = actor({"transport": "sqs"})
    template = desired_objects(document, operator, queue_url="http://sqs:4566/1/q").pod_template
    found = env(template["spec"]["containers"][-1])
    assert {
        name: value for name, value in found.items() if "AWS" in name or "SQS" in name or name == "ASYA_QUEUE_URL"
    } == {
        "ASYA_AWS_REGION": "eu-west-1",
        "ASYA_SQS_ENDPOINT": "http://sqs:4566",
        "ASYA_QUEUE_URL": "http://sqs:4566/1/q",
        "ASYA_SQS_VISIBILITY_TIMEOUT": "120",
        "ASYA_SQS_WAIT_TIME_SECONDS": "20",
        "AWS_ACCESS_KEY_ID": {"secretKeyRef": {"name": "aws", "key": "id"}},
        "AWS_SECRET_ACCESS_KEY": {"secretKeyRef": {"name": "aws", "key": "key"}},
    }
    assert found["ASYA_MAX_MESSAGE_BYTES"] == "1048576"
    assert not any(volume["name"] == "asya-credentials" for volume in template["spec"]["volumes"])


def test_a_role_gives_the_actor_a_service_account_of_its_own() -> None:
    operator = config(sqs=merge(SQS, {"config": {"actorRoleArn": "arn:aws:iam::1:role/r"}}))
    found = desired_of(actor({"transport": "sqs"}), operator)
    assert found.pod_template["spec"]["serviceAccountName"] == "asya-a"
    assert found.service_account is not None
    assert found.service_account["metadata"]["name"] == "asya-a"
    assert found.service_account["metadata"]["annotations"]["eks.amazonaws.com/role-arn"] == "arn:aws:iam::1:role/r"


def test_the_local_mesh_gets_the_same_pod_on_sqlite() -> None:
    operator = local_config(["rabbitmq"], Sqlite(path="/m/mesh.db"))
    found = env(containers(actor(), operator)["asya-sidecar"])
    expected = {
        name: value for name, value in RABBITMQ_ENV.items() if "RABBITMQ" not in name and name != "ASYA_PREFETCH"
    }
    assert found == {**expected, "ASYA_TRANSPORT": "sqlite", "ASYA_SQLITE_PATH": "/m/mesh.db"}


def test_retry_policies_are_written_with_their_defaults() -> None:
    resiliency = {
        "policies": {"default": {"maxAttempts": 2}},
        "rules": [{"errors": ["ValueError"], "policy": "default"}],
    }
    found = env(containers(actor({"resiliency": resiliency}))["asya-sidecar"])
    assert found["ASYA_RESILIENCY_POLICIES"] == (
        '{"default":{"maxAttempts":2,"backoff":"exponential","initialDelay":"1s","maxInterval":"5m","jitter":true,"onExhausted":[]}}'
    )
    assert found["ASYA_RESILIENCY_RULES"] == '[{"errors":["ValueError"],"policy":"default"}]'


@pytest.mark.parametrize(("operator_url", "expected"), [("", "http://author"), ("http://operator", "http://operator")])
def test_the_operators_gateway_comes_before_the_authors(operator_url: str, expected: str) -> None:
    operator = operator_config({"transports": {"rabbitmq": RABBITMQ}, "gateway": {"url": operator_url}})
    document = actor()
    document["spec"]["workload"]["template"]["spec"]["containers"][0]["env"].append(
        {"name": "ASYA_GATEWAY_URL", "value": "http://author"}
    )
    assert env(containers(document, operator)["asya-sidecar"])["ASYA_GATEWAY_URL"] == expected


def test_a_callback_token_is_a_file() -> None:
    gateway = {"url": "http://g", "callbackTokenSecretRef": {"name": "gw", "key": "token"}}
    operator = operator_config({"transports": {"rabbitmq": RABBITMQ}, "gateway": gateway})
    assert (
        env(containers(actor(), operator)["asya-sidecar"])["ASYA_GATEWAY_CALLBACK_TOKEN_FILE"]
        == "/etc/asya/credentials/callback-token"
    )


@pytest.mark.parametrize("name", ["ASYA_ACTOR_SINK", "ASYA_STEP_HAPPY_END", "ASYA_ACTOR_HAPPY_END"])
def test_sidecar_env_replaces_a_variable_also_under_its_older_names(name: str) -> None:
    found = env(containers(actor({"sidecar": {"env": [{"name": name, "value": "elsewhere"}]}}))["asya-sidecar"])
    assert {key: value for key, value in found.items() if key in ("ASYA_ACTOR_SINK", *ALIASES["ASYA_ACTOR_SINK"])} == {
        name: "elsewhere"
    }


def test_the_older_names_are_those_the_sidecar_reads() -> None:
    # Components never import each other, so the names stand in both.
    read = {item.name: item.aliases for item in VARIABLES}
    assert dict(ALIASES) == {name: read[name] for name in ALIASES}
    unknown = {name for name in RABBITMQ_ENV if read.get(name) and name not in ALIASES}
    # The socket folder cannot be replaced: V12.
    assert unknown == {"ASYA_SOCKET_DIR"}


def test_the_sidecar_understands_what_it_is_given() -> None:
    sidecar = containers(actor(), local_config(["rabbitmq"], Sqlite(path="/m/mesh.db")))["asya-sidecar"]
    literals = {name: str(value) for name, value in env(sidecar).items()}
    found = from_environ(literals, has_adapter=lambda _: True)
    assert (found.actor_name, found.namespace) == ("a", "ns")


# --- hashes -----------------------------------------------------------------------------------------------------------


def test_the_template_hash_changes_with_the_template_alone() -> None:
    first = desired_of(actor(fixed(1))).template_hash
    assert desired_of(actor(fixed(5), labels={"team": "x"})).template_hash == first
    other = actor()
    other["spec"]["workload"]["template"]["spec"]["containers"][0]["image"] = "b:2"
    assert desired_of(other).template_hash != first


def test_the_same_quantity_in_other_words_is_the_same_template() -> None:
    one, two = ({"limits": {"cpu": cpu, "memory": memory}} for cpu, memory in (("1", "1Gi"), ("1000m", "1024Mi")))
    assert desired_of(runtime(resources=one)).template_hash == desired_of(runtime(resources=two)).template_hash


def test_the_script_decides_the_config_maps_name() -> None:
    found = config_map("print(1)", "ns")
    assert found["metadata"]["name"] == config_map_name("print(1)") == "asya-runtime-d287bb7f9d"
    assert (found["immutable"], found["data"]) == (True, {"asya_runtime.py": "print(1)"})
    assert "ownerReferences" not in found["metadata"]
