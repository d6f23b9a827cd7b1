"""The user's pod template becomes the actor's pods (contract: controller, The pod)."""

from typing import Any

import pytest

from asya_controller.decide.config import OperatorConfig, operator_config
from tests.controller.worlds import RABBITMQ, UID, Json, actor, desired_of, fixed, merge, scaled


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


def pod_spec(**fields: Any) -> Json:
    return {"workload": {"template": {"spec": fields}}}


# --- around the containers --------------------------------------------------------------------------------------------


def test_children_have_one_owner_and_labels_by_which_they_are_found() -> None:
    metadata = desired_of(actor(labels={"asya.sh/flow": "f", "team": "nlp"})).workload["metadata"]
    assert metadata["ownerReferences"] == [
        {
            "apiVersion": "asya.sh/v1alpha1",
            "kind": "AsyncActor",
            "name": "a",
            "uid": UID,
            "controller": True,
            "blockOwnerDeletion": True,
        }
    ]
    assert metadata["labels"] == {
        "asya.sh/actor": "a",
        "asya.sh/flow": "f",
        "app.kubernetes.io/managed-by": "asya-controller",
        "app.kubernetes.io/component": "actor",
    }


def test_a_scaled_object_gets_no_labels_that_keda_would_copy_to_its_hpa() -> None:
    found = desired_of(actor(scaled(), labels={"asya.sh/flow": "f"})).scaled_object
    assert found is not None
    assert found["metadata"]["labels"] == {"asya.sh/actor": "a", "asya.sh/flow": "f"}


def test_pods_have_our_labels_beside_the_authors() -> None:
    document = actor({"workload": {"template": {"metadata": {"labels": {"team": "nlp"}, "annotations": {"x": "y"}}}}})
    metadata = desired_of(document).pod_template["metadata"]
    assert metadata["labels"] == {
        "team": "nlp",
        "asya.sh/actor": "a",
        "asya.sh/asya": "a",
        "asya.sh/workload": "deployment",
    }
    assert metadata["annotations"]["x"] == "y"


def test_a_deployment_selects_by_actor_and_kind() -> None:
    spec = desired_of(actor(fixed(2))).workload["spec"]
    assert spec["selector"] == {"matchLabels": {"asya.sh/actor": "a", "asya.sh/workload": "deployment"}}
    assert (spec["replicas"], spec["progressDeadlineSeconds"]) == (2, 600)


def test_a_long_startup_probe_lengthens_the_progress_deadline() -> None:
    probe = {"exec": {"command": ["true"]}, "periodSeconds": 5, "failureThreshold": 240}
    assert desired_of(runtime(startupProbe=probe)).workload["spec"]["progressDeadlineSeconds"] == 1500


def test_a_stateful_set_is_parallel_and_named() -> None:
    found = desired_of(actor({"workload": {"kind": "StatefulSet"}})).workload
    assert (found["kind"], found["spec"]["serviceName"], found["spec"]["podManagementPolicy"]) == (
        "StatefulSet",
        "a",
        "Parallel",
    )
    assert "progressDeadlineSeconds" not in found["spec"]


def test_replicas_are_sent_only_while_scaling_is_off() -> None:
    assert "replicas" not in desired_of(actor(scaled())).workload["spec"]


@pytest.mark.parametrize(
    ("spec", "grace"),
    [
        ({}, 330),
        ({"timeout": {"processing": 120}}, 150),
        ({"timeout": {"gracefulShutdown": 40}, **pod_spec(terminationGracePeriodSeconds=10)}, 40),
        (pod_spec(terminationGracePeriodSeconds=10), 10),
    ],
)
def test_the_termination_grace_is_the_effective_one(spec: Json, grace: int) -> None:
    document = actor(spec)
    assert desired_of(document).pod_template["spec"]["terminationGracePeriodSeconds"] == grace
    assert env(containers(document)["asya-sidecar"])["ASYA_GRACEFUL_SHUTDOWN"] == f"{grace}s"


def test_tokens_and_service_links_are_off_unless_the_author_wants_them() -> None:
    pod = desired_of(actor()).pod_template["spec"]
    assert (pod["automountServiceAccountToken"], pod["enableServiceLinks"]) == (False, False)
    own = desired_of(actor(pod_spec(automountServiceAccountToken=True))).pod_template["spec"]
    assert own["automountServiceAccountToken"] is True


def test_volumes_are_added_behind_the_authors() -> None:
    data = {"name": "data", "persistentVolumeClaim": {"claimName": "data"}}
    volumes = desired_of(actor(pod_spec(volumes=[data]))).pod_template["spec"]["volumes"]
    assert volumes == [
        data,
        {"name": "socket-dir", "emptyDir": {}},
        {"name": "asya-runtime", "configMap": {"name": "asya-runtime", "defaultMode": 0o444}},
        {"name": "asya-tmp", "emptyDir": {}},
        {
            "name": "asya-credentials",
            "projected": {
                "sources": [{"secret": {"name": "rabbit", "items": [{"key": "password", "path": "password"}]}}],
                "defaultMode": 0o444,
            },
        },
    ]


def test_containers_keep_their_order_and_the_sidecar_is_last() -> None:
    helper = {"name": "cache", "image": "redis:7", "command": ["redis"]}
    document = actor(pod_spec(initContainers=[{"name": "prepare", "image": "busybox"}]))
    document["spec"]["workload"]["template"]["spec"]["containers"].insert(0, helper)
    pod = desired_of(document).pod_template["spec"]
    assert [item["name"] for item in pod["containers"]] == ["cache", "asya-runtime", "asya-sidecar"]
    assert pod["containers"][0] == helper
    assert pod["initContainers"] == [{"name": "prepare", "image": "busybox"}]


def test_rendering_leaves_the_given_document_alone() -> None:
    document = actor()
    former = merge(document, {})
    desired_of(document)
    assert document == former


# --- the runtime container --------------------------------------------------------------------------------------------


def test_the_runtime_gets_command_mounts_and_variables() -> None:
    found = containers(runtime(volumeMounts=[{"name": "data", "mountPath": "/data"}]))["asya-runtime"]
    assert found["command"] == ["python3", "/opt/asya/asya_runtime.py"]
    assert found["volumeMounts"] == [
        {"name": "data", "mountPath": "/data"},
        {"name": "socket-dir", "mountPath": "/var/run/asya"},
        {
            "name": "asya-runtime",
            "mountPath": "/opt/asya/asya_runtime.py",
            "subPath": "asya_runtime.py",
            "readOnly": True,
        },
    ]
    assert env(found) == {
        "ASYA_HANDLER": "my_module.process",
        "ASYA_SOCKET_DIR": "/var/run/asya",
        "ASYA_ACTOR_NAME": "a",
        "ASYA_MAX_MESSAGE_BYTES": "10485760",
    }
    assert found["terminationMessagePolicy"] == "FallbackToLogsOnError"
    assert "securityContext" not in found


def test_the_authors_variables_win_except_the_socket_folder() -> None:
    given = [
        {"name": "ASYA_SOCKET_DIR", "value": "/var/run/asya"},
        {"name": "ASYA_HANDLER", "value": "a.b"},
        {"name": "ASYA_ACTOR_NAME", "value": "mine"},
        {"name": "ASYA_MAX_MESSAGE_BYTES", "value": "1"},
    ]
    found = env(containers(runtime(env=given))["asya-runtime"])
    assert found == {entry["name"]: entry["value"] for entry in given}


def test_probes_left_out_are_added_and_own_ones_kept() -> None:
    own = {"httpGet": {"path": "/", "port": 1}}
    found = containers(runtime(livenessProbe=own))["asya-runtime"]
    command = ["sh", "-c", "test -S /var/run/asya/asya-runtime.sock && test -f /var/run/asya/runtime-ready"]
    assert found["livenessProbe"] == own
    assert found["startupProbe"] == {
        "exec": {"command": command},
        "initialDelaySeconds": 3,
        "periodSeconds": 2,
        "timeoutSeconds": 3,
        "failureThreshold": 150,
    }
    assert found["readinessProbe"] == {
        "exec": {"command": command},
        "periodSeconds": 10,
        "timeoutSeconds": 3,
        "failureThreshold": 3,
    }


def test_the_interpreter_is_the_effective_one() -> None:
    document = actor({"workload": {"pythonExecutable": "/opt/venv/bin/python"}})
    assert containers(document)["asya-runtime"]["command"][0] == "/opt/venv/bin/python"


@pytest.mark.parametrize("name", ["x-sink", "x-sump", "x-pause", "happy-end", "error-end", "my-end"])
def test_end_actors_are_told_to_both_containers(name: str) -> None:
    operator = operator_config({"transports": {"rabbitmq": RABBITMQ}, "endActors": {"sink": "my-end"}})
    found = containers(actor(name=name), operator)
    assert env(found["asya-runtime"])["ASYA_ENABLE_VALIDATION"] == "false"
    assert env(found["asya-sidecar"])["ASYA_IS_END_ACTOR"] == "true"


def test_an_actor_may_call_itself_an_end_actor() -> None:
    found = containers(actor({"sidecar": {"env": [{"name": "ASYA_IS_END_ACTOR", "value": "yes"}]}}))
    assert env(found["asya-runtime"])["ASYA_ENABLE_VALIDATION"] == "false"
    assert env(found["asya-sidecar"])["ASYA_IS_END_ACTOR"] == "yes"


def test_an_ordinary_actor_is_no_end_actor() -> None:
    found = containers(actor())
    assert "ASYA_ENABLE_VALIDATION" not in env(found["asya-runtime"])
    assert "ASYA_IS_END_ACTOR" not in env(found["asya-sidecar"])
