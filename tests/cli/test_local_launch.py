"""From pod template to command lines: environment, values, interpreter (cli/asya_cli/local/launch.py, values.py, interpreter.py)."""

from pathlib import Path
from typing import Any

import pytest

from asya_cli.local import interpreter, values
from asya_cli.local.broker import EmbeddedBroker
from asya_cli.local.launch import (
    Launch,
    MissingValue,
    Place,
    Refused,
    environment,
    expand,
    runtime_launch,
    sidecar_launch,
)

POD: dict[str, Any] = {
    "metadata": {"labels": {"team": "nlp"}},
    "spec": {
        "containers": [
            {"name": "asya-runtime", "env": [{"name": "ASYA_HANDLER", "value": "m.f"}]},
            {"name": "asya-sidecar", "env": [{"name": "ASYA_ACTOR_NAME", "value": "a"}]},
        ]
    },
}


def place(tmp_path: Path, **values_given: str) -> Place:
    return Place(
        actor="a",
        namespace="ns",
        pod="a-0",
        sockets=tmp_path / "sockets",
        logs=tmp_path / "logs",
        base_env={"PATH": "/bin", "PYTHONPATH": "/mine"},
        values=values_given,
        value_sources=".env or --env NAME=value",
        host="laptop",
    )


def container(*env: dict[str, Any], **members: Any) -> dict[str, Any]:
    return {"name": "asya-runtime", "env": list(env), **members}


# --- environment ------------------------------------------------------------------------------------------------------


def test_references_to_earlier_variables_are_expanded_as_the_kubelet_does() -> None:
    assert expand("$(A)-$(B)-$$(A)-$C", {"A": "1"}) == "1-$(B)-$(A)-$C"


def test_a_secret_value_comes_from_the_local_values(tmp_path: Path) -> None:
    found = container({"name": "KEY", "valueFrom": {"secretKeyRef": {"name": "s", "key": "k"}}})
    assert environment(found, POD, place(tmp_path, KEY="v")) == {"KEY": "v"}


def test_a_missing_value_names_actor_container_and_variable(tmp_path: Path) -> None:
    found = container({"name": "KEY", "valueFrom": {"configMapKeyRef": {"name": "s", "key": "k"}}})
    with pytest.raises(MissingValue, match=r'actor a, container asya-runtime, variable KEY: configmap "s" not found'):
        environment(found, POD, place(tmp_path))


def test_an_optional_missing_value_leaves_the_variable_out(tmp_path: Path) -> None:
    found = container({"name": "KEY", "valueFrom": {"secretKeyRef": {"name": "s", "key": "k", "optional": True}}})
    assert environment(found, POD, place(tmp_path)) == {}


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("metadata.name", "a-0"),
        ("metadata.namespace", "ns"),
        ("metadata.labels['team']", "nlp"),
        ("status.podIP", "127.0.0.1"),
        ("spec.nodeName", "laptop"),
    ],
)
def test_fields_of_the_pod_are_those_of_the_replica(tmp_path: Path, path: str, expected: str) -> None:
    found = container({"name": "X", "valueFrom": {"fieldRef": {"fieldPath": path}}})
    assert environment(found, POD, place(tmp_path)) == {"X": expected}


def test_a_resource_field_is_read_from_the_container(tmp_path: Path) -> None:
    reference = {"name": "CPU", "valueFrom": {"resourceFieldRef": {"resource": "limits.cpu"}}}
    assert environment(container(reference, resources={"limits": {"cpu": 2}}), POD, place(tmp_path)) == {"CPU": "2"}


def test_env_from_takes_all_local_values(tmp_path: Path) -> None:
    found = container({"name": "B", "value": "$(A)"}, envFrom=[{"secretRef": {"name": "s"}}])
    assert environment(found, POD, place(tmp_path, A="1")) == {"A": "1", "B": "1"}


# --- command lines ----------------------------------------------------------------------------------------------------


def test_the_runtime_imports_from_the_handler_folders_first(tmp_path: Path) -> None:
    launch = runtime_launch(POD, place(tmp_path), "/py", Path("/r.py"), [tmp_path, Path("/second")], crew=False)
    assert isinstance(launch, Launch)
    assert launch.argv == ("/py", "/r.py")
    assert launch.env["PYTHONPATH"] == f"{tmp_path}:/second:/mine"
    assert launch.cwd == tmp_path
    assert launch.env["ASYA_SOCKET_DIR"] == str(tmp_path / "sockets")


def test_a_refused_interpreter_refuses_the_runtime(tmp_path: Path) -> None:
    refused = Refused("RunContainerError", "no such program")
    assert runtime_launch(POD, place(tmp_path), refused, Path("/r.py"), [tmp_path], crew=False) == refused


def test_a_missing_value_refuses_the_runtime_as_the_kubelet_would(tmp_path: Path) -> None:
    reference = {"name": "KEY", "valueFrom": {"secretKeyRef": {"name": "s", "key": "k"}}}
    pod = {"metadata": {}, "spec": {"containers": [container(reference)]}}
    found = runtime_launch(pod, place(tmp_path), "/py", Path("/r.py"), [tmp_path], crew=False)
    assert isinstance(found, Refused)
    assert found.reason == "CreateContainerConfigError"


def test_the_sidecar_runs_on_the_embedded_broker_and_its_own_port(tmp_path: Path) -> None:
    launch = sidecar_launch(POD, place(tmp_path), "/py", EmbeddedBroker(Path("/mesh.db")).sidecar_env, 4711)
    assert isinstance(launch, Launch)
    assert launch.argv == ("/py", "-P", "-m", "asya_sidecar")
    assert (launch.env["ASYA_TRANSPORT"], launch.env["ASYA_SQLITE_PATH"]) == ("sqlite", "/mesh.db")
    assert launch.env["ASYA_METRICS_ADDR"] == "127.0.0.1:4711"


# --- values -----------------------------------------------------------------------------------------------------------


def test_a_env_file_is_read_with_quotes_comments_and_export() -> None:
    text = "# secrets\nA=1\nexport B = \"two words\"\nC='$x'  \nD=v # why\n\nE=\n"
    assert values.parse(text, ".env") == {"A": "1", "B": "two words", "C": "$x", "D": "v", "E": ""}


def test_a_line_that_is_no_assignment_names_file_and_line() -> None:
    with pytest.raises(values.BadAssignment, match=r"^\.env:2:1: expected NAME=value"):
        values.parse("A=1\nnonsense\n", ".env")


def test_options_win_over_files_and_later_files_over_earlier(tmp_path: Path) -> None:
    first, second = tmp_path / "1.env", tmp_path / "2.env"
    first.write_text("A=1\nB=1\nC=1\n")
    second.write_text("B=2\nC=2\n")
    assert values.gather([first, second, tmp_path / "none"], ["C=3"]) == {"A": "1", "B": "2", "C": "3"}


# --- interpreter ------------------------------------------------------------------------------------------------------


def program(folder: Path, name: str) -> Path:
    folder.mkdir(exist_ok=True)
    file = folder / name
    file.write_text("#!/bin/sh\n")
    file.chmod(0o755)
    return file


def test_a_bare_name_is_found_beside_our_own_python_first(tmp_path: Path) -> None:
    own = program(tmp_path / "own", "python3")
    other = program(tmp_path / "other", "python3")
    assert interpreter.resolve("python3", {"PATH": str(other.parent)}, str(own)) == str(own)


def test_with_an_active_environment_the_path_decides(tmp_path: Path) -> None:
    own = program(tmp_path / "own", "python3")
    other = program(tmp_path / "other", "python3")
    environ = {"PATH": str(other.parent), "VIRTUAL_ENV": str(tmp_path)}
    assert interpreter.resolve("python3", environ, str(own)) == str(other)


@pytest.mark.parametrize("wanted", ["/no/such/python", "no-such-python"])
def test_an_interpreter_that_is_not_there_is_refused_as_a_container_error(tmp_path: Path, wanted: str) -> None:
    found = interpreter.resolve(wanted, {"PATH": str(tmp_path)}, str(tmp_path / "python3"))
    assert isinstance(found, Refused)
    assert (found.reason, wanted in found.message) == ("RunContainerError", True)
