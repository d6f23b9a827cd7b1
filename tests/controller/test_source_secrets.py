"""A source refuses secrets in plain text; references, empty values and innocent names pass."""

from pathlib import Path

import pytest

from asya_controller.decide.source.checking import check, errors_of
from asya_controller.decide.source.documents import Loaded, add_file
from asya_controller.decide.source.secrets import is_secret

ACTOR = """\
apiVersion: asya.sh/v1alpha1
kind: AsyncActor
metadata: {name: a}
spec:
  transport: rabbitmq
  sidecar: {env: [{name: AWS_SECRET_ACCESS_KEY, value: abc}]}
  workload:
    template:
      spec:
        containers:
        - name: asya-runtime
          image: i
          env:
          - {name: ASYA_HANDLER, value: a.b}
          - {name: API_TOKEN, value: "s3cr3t"}
          - {name: OTHER_TOKEN, valueFrom: {secretKeyRef: {name: x, key: k}}}
"""


def loaded(text: str, name: str = "a.yaml") -> Loaded:
    found = Loaded()
    found.bodies[Path(name)] = text.encode()
    add_file(found, Path(name), text.encode(), asked_for=False)
    return found


def test_a_literal_secret_is_an_error_in_a_source_and_a_warning_elsewhere() -> None:
    found = loaded(ACTOR)
    errors = [str(problem) for problem in errors_of(check(found, source=True))]
    assert [error.split(": ")[0] for error in errors] == ["a.yaml:6:49", "a.yaml:15:31"]
    assert "variable API_TOKEN holds a secret in plain text" in errors[1]
    assert not any("s3cr3t" in error for error in errors)
    assert errors_of(check(found)) == []
    assert len(check(found)) == 2


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("DB_PASSWORD", "x"),
        ("TOKEN", "x"),
        ("OPENAI_API_KEY", "x"),
        ("openai_apikey", "x"),
        ("CLIENT_SECRET", "x"),
        ("ANYTHING", "-----BEGIN RSA PRIVATE KEY-----\n..."),
    ],
)
def test_these_give_a_secret_away(name: str, value: str) -> None:
    assert is_secret(name, value)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("MAX_TOKENS", "4096"),
        ("TOKENIZER", "bert"),
        ("ASYA_GATEWAY_CALLBACK_TOKEN_FILE", "/etc/asya/token"),
        ("PASSWORD", ""),
        ("PASSWORD", "$(FROM_ELSEWHERE)"),
        ("PARTITION_KEY", "user"),
        ("SECRET_NAME", "llm-api"),
    ],
)
def test_these_do_not(name: str, value: str) -> None:
    assert not is_secret(name, value)


@pytest.mark.parametrize(
    "text",
    [
        "apiVersion: v1\nkind: Secret\nmetadata: {name: s}\nstringData: {password: x}\n",
        "apiVersion: v1\nkind: List\nitems:\n- apiVersion: v1\n  kind: Secret\n  data: {a: eA==}\n",
        '{"apiVersion": "v1", "kind": "Secret", "data": {"a": "eA=="}}',
    ],
)
def test_a_secret_with_values_is_refused_in_a_file_of_its_own_too(text: str) -> None:
    (error,) = errors_of(check(loaded(text), source=True))
    assert "a Secret with values in a file of the source" in error.message


@pytest.mark.parametrize(
    "text",
    [
        "apiVersion: v1\nkind: Secret\nmetadata: {name: s}\n",
        "apiVersion: external-secrets.io/v1\nkind: ExternalSecret\ndata: [{secretKey: a}]\n",
        "kind: Secret\n{{ template }}: [\n",
        "apiVersion: bitnami.com/v1alpha1\nkind: SealedSecret\nspec: {encryptedData: {a: b}}\n",
    ],
)
def test_empty_secrets_references_and_templates_of_others_pass(text: str) -> None:
    assert check(loaded(text), source=True) == []
