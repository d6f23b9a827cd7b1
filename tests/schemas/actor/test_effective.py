"""Effective defaults and aliases (contract: crd, section 2)."""

from typing import Any

import pytest

from asya_schemas.actor import effective
from asya_schemas.actor.defaults import with_stored_defaults
from asya_schemas.actor.spec import AsyncActorSpec, RetryPolicy, Scaling
from tests.support.actors import POD, RUNTIME, actor


def spec(*changes: Any) -> Any:
    return actor(*changes)["spec"]


INTERPRETER = {"name": "ASYA_PYTHONEXECUTABLE", "value": "/opt/conda/bin/python"}


@pytest.mark.parametrize(
    ("function", "changes", "expected"),
    [
        (effective.processing_s, [], 300),
        (effective.processing_s, [(("spec", "timeout", "processing"), 12)], 12),
        (effective.processing_s, [(("spec", "timeout", "processing"), 0)], 300),
        (effective.processing_s, [(("spec", "resiliency", "actorTimeout"), "1m30s")], 90),
        (effective.processing_s, [(("spec", "resiliency", "actorTimeout"), "1500ms")], 2),
        (effective.grace_s, [], 330),
        (effective.grace_s, [(("spec", "timeout", "processing"), 10)], 40),
        (effective.grace_s, [((*POD, "terminationGracePeriodSeconds"), 0)], 0),
        (effective.grace_s, [((*POD, "terminationGracePeriodSeconds"), 77)], 77),
        (
            effective.grace_s,
            [((*POD, "terminationGracePeriodSeconds"), 77), (("spec", "timeout", "gracefulShutdown"), 5)],
            5,
        ),
        (effective.grace_s, [(("spec", "timeout", "gracefulShutdown"), 0)], 330),
        (effective.kind, [], "Deployment"),
        (effective.kind, [(("spec", "workload", "type"), "StatefulSet")], "StatefulSet"),
        (effective.kind, [(("spec", "workload", "kind"), "StatefulSet")], "StatefulSet"),
        (effective.replicas, [], 1),
        (effective.replicas, [(("spec", "workload", "replicas"), 0)], 0),
        (effective.interpreter, [], "python3"),
        (effective.interpreter, [(("spec", "workload", "pythonExecutable"), "")], "python3"),
        (effective.interpreter, [(("spec", "workload", "pythonExecutable"), "/usr/bin/python")], "/usr/bin/python"),
        (
            effective.interpreter,
            [(("spec", "workload", "pythonExecutable"), "/usr/bin/python"), ((*RUNTIME, "env", 1), INTERPRETER)],
            "/opt/conda/bin/python",
        ),
        (effective.scaling_enabled, [], False),
        (effective.scaling_enabled, [(("spec", "scaling", "enabled"), True)], True),
        (effective.min_replicas, [], 0),
        (effective.max_replicas, [], 50),
        (effective.max_replicas, [(("spec", "scaling", "maxReplicas"), 7)], 7),
        (effective.polling_interval_s, [], 10),
        (effective.cooldown_s, [], 60),
        (effective.cooldown_s, [(("spec", "scaling", "cooldownPeriod"), 0)], 0),
        (effective.queue_length, [], 5),
        (effective.handler, [], "hello.greet"),
        (effective.policies, [], {}),
        (effective.rules, [], []),
    ],
)
def test_what_is_not_said_has_the_default_of_the_contract(function: Any, changes: Any, expected: Any) -> None:
    assert function(spec(*changes)) == expected


def test_defaults_of_policies_are_those_of_the_model() -> None:
    assert dict(effective.RETRY_POLICY_DEFAULTS) == RetryPolicy().model_dump(by_alias=True, exclude_none=True)


def test_defaults_of_scaling_are_those_of_the_model() -> None:
    model = Scaling()
    assert (
        model.min_replicas,
        model.max_replicas,
        model.polling_interval,
        model.cooldown_period,
        model.queue_length,
    ) == (
        effective.MIN_REPLICAS_DEFAULT,
        effective.MAX_REPLICAS_DEFAULT,
        effective.POLLING_INTERVAL_DEFAULT_S,
        effective.COOLDOWN_DEFAULT_S,
        effective.QUEUE_LENGTH_DEFAULT,
    )


def test_policies_come_with_their_defaults() -> None:
    given = (("spec", "resiliency", "policies"), {"default": {"maxAttempts": 7, "maxDuration": None}})
    assert effective.policies(spec(given))["default"] == {**effective.RETRY_POLICY_DEFAULTS, "maxAttempts": 7}


def test_stored_defaults_are_written_into_blocks_that_are_present() -> None:
    filled = with_stored_defaults(actor((("spec", "scaling"), {"enabled": True}), (("spec", "sidecar"), {})))
    assert filled["spec"]["scaling"] == {
        "enabled": True,
        "minReplicas": 0,
        "maxReplicas": 50,
        "pollingInterval": 10,
        "cooldownPeriod": 60,
        "queueLength": 5,
    }
    assert filled["spec"]["sidecar"] == {"imagePullPolicy": "IfNotPresent"}


def test_an_omitted_block_stays_omitted() -> None:
    assert with_stored_defaults(actor()) == actor()


def test_stored_defaults_leave_the_given_document_alone() -> None:
    given = actor((("spec", "scaling"), {}))
    with_stored_defaults(given)
    assert given["spec"]["scaling"] == {}


def test_nulls_of_known_fields_are_dropped_and_those_of_kubernetes_kept() -> None:
    filled = with_stored_defaults(actor((("spec", "timeout"), None), ((*POD, "securityContext"), None)))
    assert "timeout" not in filled["spec"]
    assert filled["spec"]["workload"]["template"]["spec"]["securityContext"] is None


def test_stored_defaults_are_those_that_the_models_fill_in() -> None:
    given = actor(
        (("spec", "scaling"), {"advanced": {}}),
        (("spec", "sidecar"), {}),
        (("spec", "resiliency"), {"policies": {"default": {}}}),
    )
    by_model = AsyncActorSpec.model_validate(given["spec"]).model_dump(by_alias=True, exclude_none=True)
    assert with_stored_defaults(given)["spec"] == by_model
