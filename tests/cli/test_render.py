"""`asya render`: every object the controller would apply, without a cluster."""

import json
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from tests.support.asya_command import asya
from tests.support.console import ROOT

EXAMPLES = ROOT / "gitops" / "examples"
CONFIG = ROOT / "docs" / "examples" / "controller.yaml"


def test_all_examples_render_as_one_stream_of_objects() -> None:
    done = asya("render", EXAMPLES, "--config", CONFIG)
    assert (done.returncode, done.stderr) == (0, "")
    found = [(item["kind"], item["metadata"]["name"]) for item in YAML(typ="safe").load_all(done.stdout)]
    assert found[0][0] == "ConfigMap"
    assert {("Deployment", "hello"), ("StatefulSet", "index"), ("ScaledObject", "nap")} <= set(found)
    assert ("TriggerAuthentication", "nap-trigger-auth") in found


def test_json_is_a_list_and_the_namespace_is_filled_in() -> None:
    done = asya("render", EXAMPLES / "hello", "--config", CONFIG, "--namespace", "shop", "--output", "json")
    items = json.loads(done.stdout)["items"]
    assert [(item["kind"], item["metadata"]["namespace"]) for item in items] == [
        ("ConfigMap", "shop"),
        ("Deployment", "shop"),
    ]
    assert items[1]["metadata"]["ownerReferences"][0]["uid"] == ""


def test_an_actor_the_controller_would_refuse_is_named_and_nothing_is_printed(tmp_path: Path) -> None:
    file = tmp_path / "a.yaml"
    file.write_text((EXAMPLES / "hello" / "hello.yaml").read_text().replace("rabbitmq", "rabit"))
    done = asya("render", file, EXAMPLES / "pipeline", "--config", CONFIG)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith(f"{file}:6:3: InvalidTransport: transport 'rabit' not found")


def test_without_a_configuration_the_option_is_named() -> None:
    done = asya("render", EXAMPLES / "hello")
    assert done.returncode == 2
    assert "name the operator configuration with --config" in done.stderr


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (
            "transports: {a: {type: rabbit}}\n",
            "configuration error: transports.a.type: 'rabbit' is not a transport type",
        ),
        ("transports: {\n", ":2:1: "),
        ("sidecr: {}\n", "unknown key, did you mean sidecar?"),
    ],
)
def test_a_configuration_that_cannot_be_used_is_refused(tmp_path: Path, text: str, told: str) -> None:
    file = tmp_path / "controller.yaml"
    file.write_text(text)
    done = asya("render", EXAMPLES / "hello", "--config", file)
    assert (done.returncode, done.stdout) == (2, "")
    assert f"{file}:" in done.stderr
    assert told in done.stderr
