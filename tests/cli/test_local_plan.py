"""What documents mean on this machine (cli/asya_cli/local/plan.py)."""

from pathlib import Path
from typing import Any

import pytest

from asya_cli.local.launch import Refused
from asya_cli.local.plan import Planned, Settings, Source, end_actors, labels_of, planned, search_folders, transports_of
from asya_controller.decide.config import local_config
from asya_controller.decide.transports import Sqlite


def document(name: str = "a", namespace: str | None = None, **spec: Any) -> dict[str, Any]:
    env = spec.pop("env", [{"name": "ASYA_HANDLER", "value": "m.f"}])
    container = {"name": "asya-runtime", "image": "i", "env": env}
    workload = {"template": {"spec": {"containers": [container, *spec.pop("others", [])]}}, **spec.pop("workload", {})}
    metadata = {"name": name} | ({"namespace": namespace} if namespace else {})
    return {
        "apiVersion": "asya.sh/v1alpha1",
        "kind": "AsyncActor",
        "metadata": metadata,
        "spec": {"transport": "rabbit-eu", "workload": workload, **spec},
    }


def settings(tmp_path: Path, **changes: Any) -> Settings:
    values: dict[str, Any] = {
        "here": tmp_path, "handlers": None, "python": None, "max_replicas": 4, "own_python": "/own/python3",
        "script": Path("/asya_runtime.py"), "state_root": tmp_path / ".asya", "environ": {"PATH": "/nowhere"},
        "values": {}, "value_sources": ".env", "broker_env": {},
    }  # fmt: skip
    return Settings(**{**values, **changes})


def plan(tmp_path: Path, actor: dict[str, Any], **changes: Any) -> Planned:
    source = Source(actor, tmp_path / "a.yaml")
    config = local_config(transports_of([source]), Sqlite(path=str(tmp_path / "mesh.db")))
    return planned(source, actor["metadata"]["name"], config, settings(tmp_path, **changes))


def names(found: list[Source]) -> list[tuple[str, str]]:
    return [(s.document["metadata"]["namespace"], s.document["metadata"]["name"]) for s in found]


def test_every_namespace_in_use_gets_the_end_actors_it_does_not_define() -> None:
    sources = [
        Source(document("a"), None),
        Source(document("b", "blue"), None),
        Source(document("x-sink", "blue"), None),
    ]
    assert names(end_actors(sources, "t")) == [("blue", "x-sump"), ("default", "x-sink"), ("default", "x-sump")]


def test_a_name_in_two_namespaces_is_told_with_its_namespace() -> None:
    keys = [("default", "a"), ("blue", "a"), ("blue", "b")]
    assert labels_of(keys) == {("default", "a"): "default.a", ("blue", "a"): "blue.a", ("blue", "b"): "b"}


def test_any_transport_name_is_the_embedded_broker(tmp_path: Path) -> None:
    found = plan(tmp_path, document())
    assert found.desired is not None
    assert found.desired.queue == "asya-default-a"


@pytest.mark.parametrize(
    ("actor", "place", "expected"),
    [
        (document(workload={"replicas": 9}), ("workload", "replicas"), 4),
        (document(scaling={"enabled": True, "maxReplicas": 9}), ("scaling", "maxReplicas"), 4),
        (document(scaling={"enabled": True}), ("scaling", "maxReplicas"), 4),
        (document(workload={"replicas": 2}), ("workload", "replicas"), 2),
    ],
)
def test_replicas_are_cut_to_what_this_machine_may_run(
    tmp_path: Path, actor: dict[str, Any], place: tuple[str, str], expected: int
) -> None:
    assert plan(tmp_path, actor).document["spec"][place[0]][place[1]] == expected


def test_a_cut_and_a_container_that_is_not_run_are_said(tmp_path: Path) -> None:
    found = plan(tmp_path, document(workload={"replicas": 9}, others=[{"name": "cache", "image": "redis:7"}]))
    assert found.notes == (
        "spec.workload.replicas 9 is cut to 4 here (--max-replicas)",
        "container cache is not run on this machine",
    )


def test_handlers_are_searched_beside_the_file_then_in_handlers_then_here(tmp_path: Path) -> None:
    (tmp_path / "actors" / "handlers").mkdir(parents=True)
    found = search_folders(tmp_path / "actors" / "a.yaml", settings(tmp_path))
    assert found == (tmp_path / "actors", tmp_path / "actors" / "handlers", tmp_path)


def test_the_option_handlers_replaces_the_search(tmp_path: Path) -> None:
    assert search_folders(tmp_path / "a.yaml", settings(tmp_path, handlers=tmp_path / "h")) == (tmp_path / "h",)


def test_an_interpreter_that_is_not_here_is_refused_and_the_option_python_wins(tmp_path: Path) -> None:
    actor = document(workload={"pythonExecutable": "/opt/conda/bin/python"})
    missing = plan(tmp_path, actor).recipe
    assert missing is not None
    assert isinstance(missing.interpreter, Refused)
    given = plan(tmp_path, actor, python="/bin/sh").recipe
    assert given is not None
    assert given.interpreter == "/bin/sh"


def test_the_crews_handlers_run_with_our_python_and_store_into_the_state_folder(tmp_path: Path) -> None:
    env = [
        {"name": "ASYA_HANDLER", "value": "asya_crew.sink.handle"},
        {"name": "ASYA_S3_BUCKET", "value": "results"},
    ]
    recipe = plan(tmp_path, document("x-sink", env=env)).recipe
    assert recipe is not None
    (runtime,) = [c for c in recipe.template["spec"]["containers"] if c["name"] == "asya-runtime"]
    variables = {entry["name"]: entry.get("value") for entry in runtime["env"]}
    assert recipe.interpreter == "/own/python3"
    assert variables["ASYA_PERSISTENCE_MOUNT"] == str(tmp_path / ".asya")
    assert "ASYA_S3_BUCKET" not in variables


def test_a_changed_value_nobody_asks_for_changes_no_replica(tmp_path: Path) -> None:
    secret = {"name": "KEY", "valueFrom": {"secretKeyRef": {"name": "s", "key": "k"}}}
    uses = document(env=[{"name": "ASYA_HANDLER", "value": "m.f"}, secret])
    before, after = {"KEY": "1", "OTHER": "1"}, {"KEY": "1", "OTHER": "2"}
    assert plan(tmp_path, uses, values=before) == plan(tmp_path, uses, values=after)
    assert plan(tmp_path, uses, values=before) != plan(tmp_path, uses, values={"KEY": "2"})


def test_our_own_variables_do_not_leak_into_replicas(tmp_path: Path) -> None:
    recipe = plan(tmp_path, document(), environ={"PATH": "/bin", "ASYA_LOG_LEVEL": "DEBUG"}).recipe
    assert recipe is not None
    assert dict(recipe.base_env) == {"PATH": "/bin"}


def test_a_refused_spec_has_a_violation_and_nothing_to_run(tmp_path: Path) -> None:
    actor = document()
    actor["spec"]["workload"]["template"]["spec"]["hostNetwork"] = True
    found = plan(tmp_path, actor)
    assert found.violation is not None
    assert (found.violation.reason, found.recipe, found.desired) == ("PolicyViolation", None, None)
