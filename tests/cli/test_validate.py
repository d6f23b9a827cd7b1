"""`asya validate`: findings on stdout, summary on stderr, exit 0, 1 or 2."""

import json
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from tests.support.actors import POD, actor
from tests.support.asya_command import asya
from tests.support.console import ROOT


def write(file: Path, *changes: object) -> Path:
    file.write_text(json.dumps(actor(*changes), indent=1))  # type: ignore[arg-type]
    return file


def test_good_files_pass(tmp_path: Path) -> None:
    done = asya("validate", write(tmp_path / "a.json"))
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "1 actor: 0 errors, 0 warnings\n")


def test_all_examples_pass() -> None:
    done = asya("validate", ROOT / "gitops" / "examples")
    assert (done.returncode, done.stdout) == (0, "")


def test_mistakes_are_printed_with_their_place(tmp_path: Path) -> None:
    file = write(tmp_path / "a.json", (("spec", "workload", "replicas"), 2000))
    done = asya("validate", file)
    assert done.returncode == 1
    assert done.stdout == f"{file}:27:4: spec.workload.replicas: expected an integer from 0 to 1000, got 2000\n"


def test_warnings_alone_pass(tmp_path: Path) -> None:
    done = asya("validate", write(tmp_path / "a.json", (("spec", "workload", "type"), "Deployment")))
    assert done.returncode == 0
    assert ": warning: spec.workload.type: deprecated alias" in done.stdout


@pytest.mark.parametrize("form", ["json", "yaml"])
def test_findings_can_be_had_as_data(tmp_path: Path, form: str) -> None:
    file = write(tmp_path / "a.json", (("spec", "scalling"), {}))
    done = asya("validate", file, "--output", form)
    data = json.loads(done.stdout) if form == "json" else YAML(typ="safe", pure=True).load(done.stdout)
    assert done.returncode == 1
    assert data["actors"] == [{"name": "hello", "namespace": "default", "file": str(file), "line": 1}]
    assert [(p["severity"], p["message"]) for p in data["problems"]] == [
        ("error", "spec.scalling: unknown field, did you mean scaling?")
    ]


def test_problems_come_in_the_order_of_files_and_lines(tmp_path: Path) -> None:
    (tmp_path / "b.yaml").write_text("kind: AsyncActor\n\tx")
    write(tmp_path / "a.json", (("spec", "one"), 1), (("metadata", "two"), 2))
    found = [line.split(": ")[1] for line in asya("validate", tmp_path).stdout.splitlines()]
    assert found[:2] == ["metadata.two", "spec.one"]
    assert len(found) == 3


def test_ignored_documents_are_named_only_when_asked_for(tmp_path: Path) -> None:
    write(tmp_path / "a.json")
    (tmp_path / "kustomization.yaml").write_text("kind: Kustomization\n")
    assert "kustomization" not in asya("validate", tmp_path).stderr
    assert "kustomization.yaml" in asya("-v", "validate", tmp_path).stderr


def test_nothing_to_check_is_a_usage_mistake(tmp_path: Path) -> None:
    done = asya("validate", tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    assert "asya new hello" in done.stderr


def test_a_file_that_may_not_be_read_is_said_and_hides_no_other(tmp_path: Path) -> None:
    write(tmp_path / "a.json")
    (tmp_path / "b.yaml").symlink_to(tmp_path / "b.yaml")
    done = asya("validate", tmp_path)
    assert done.returncode == 1
    assert "b.yaml:1:1: Too many levels of symbolic links" in done.stdout
    assert done.stderr.startswith("1 actor: 1 error")


def test_what_the_default_pod_policy_denies_is_a_warning(tmp_path: Path) -> None:
    file = write(tmp_path / "a.json", ((*POD, "hostNetwork"), True))
    done = asya("validate", file)
    assert done.returncode == 0
    assert "template.spec.hostNetwork, which is denied by" in done.stdout
    assert done.stdout.endswith("rule hostNamespaces, unless the operator allows it\n")


def test_a_pod_field_that_we_compute_with_must_have_its_type(tmp_path: Path) -> None:
    file = write(tmp_path / "a.json", ((*POD, "terminationGracePeriodSeconds"), "30"))
    done = asya("validate", file)
    assert done.returncode == 1
    assert "terminationGracePeriodSeconds: expected an integer, got '30'" in done.stdout
