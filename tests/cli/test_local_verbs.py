"""The verbs that look into a local mesh or send to it (contract: cli)."""

import json
from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree

import pytest
from ruamel.yaml import YAML

from tests.support.asya_command import asya
from tests.support.local_mesh import LocalMesh, local_mesh
from tests.support.wait import until

pytestmark = pytest.mark.timeout(120)

ROUTED = "  resiliency: {policies: {default: {maxAttempts: 1, onExhausted: [rescue]}}}\n"


@pytest.fixture(scope="module")
def mesh(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalMesh]:
    """Actors up, down and rescue; shared, because no test here changes it."""
    with local_mesh(tmp_path_factory.mktemp("verbs")) as found:
        found.handler(
            "text",
            "def upper(payload):\n    return payload.upper()\n\n\n"
            "def lower(payload):\n    return payload.lower()\n\n\n"
            "def rescue(payload):\n    return {'rescued': payload}\n",
        )
        found.actor("up", "text.upper", ROUTED)
        found.actor("down", "text.lower")
        found.actor("rescue", "text.rescue")
        found.up()
        yield found


# --- send -------------------------------------------------------------------------------------------------------------


def test_send_with_follow_prints_the_result_on_stdout_and_the_hops_on_stderr(mesh: LocalMesh) -> None:
    done = mesh.asya("send", "up", "down", "--payload", '"Ada"', "--follow")
    assert (done.returncode, done.stdout) == (0, '"ada"\n')
    assert "up-0: success" in done.stderr
    assert "down-0: success" in done.stderr


def test_send_without_follow_prints_the_id(mesh: LocalMesh) -> None:
    done = mesh.asya("send", "up", "--payload", '"a"', "--id", "given-1")
    assert done.stdout == "given-1\n"
    assert mesh.result("given-1") == "A"


def test_send_as_json_prints_id_and_queue(mesh: LocalMesh) -> None:
    done = mesh.asya("send", "up", "--payload", '"a"', "--id", "given-2", "-o", "json")
    assert json.loads(done.stdout) == {"id": "given-2", "queue": "asya-default-up"}


def test_a_followed_failure_exits_1_and_shows_the_users_line(mesh: LocalMesh) -> None:
    done = mesh.asya("send", "down", "--payload", "5", "--follow")
    assert done.returncode == 1
    assert "AttributeError" in done.stderr
    assert 'text.py", line 6' in done.stderr
    assert json.loads(done.stdout)["original_payload"] == 5


def test_headers_travel_with_the_envelope(mesh: LocalMesh) -> None:
    done = mesh.asya(
        "send",
        "up",
        "--payload",
        '"a"',
        "--header",
        "tenant=blue",
        "--header",
        "tries=[1, 2]",
        "--follow",
        "-o",
        "json",
    )
    headers = json.loads(done.stdout)["headers"]
    assert (headers["tenant"], headers["tries"]) == ("blue", [1, 2])


def test_a_payload_can_come_from_a_file(mesh: LocalMesh) -> None:
    (mesh.folder / "payload.txt").write_text('"from a file"')
    done = mesh.asya("send", "up", "--payload", "@payload.txt", "--follow")
    assert json.loads(done.stdout) == "FROM A FILE"


def test_a_whole_envelope_can_be_sent_and_keeps_its_old_shape(mesh: LocalMesh) -> None:
    envelope = {"id": "old-1", "route": {"actors": ["up", "down"], "current": 0}, "payload": "Ada"}
    (mesh.folder / "envelope.txt").write_text(json.dumps(envelope))
    done = mesh.asya("send", "--envelope", "@envelope.txt", "--follow", "-o", "json")
    assert json.loads(done.stdout)["route"]["current"] == 2


def test_a_big_integer_keeps_its_digits(mesh: LocalMesh) -> None:
    done = mesh.asya("send", "rescue", "--payload", "123456789012345678901234567890", "--follow")
    assert done.stdout == '{\n  "rescued": 123456789012345678901234567890\n}\n'


def test_a_timeout_becomes_the_deadline_of_the_envelope(mesh: LocalMesh) -> None:
    done = mesh.asya("send", "up", "--payload", '"a"', "--timeout", "0.2", "--follow", "-o", "json")
    assert done.returncode == 1
    assert json.loads(done.stdout)["status"]["reason"] == "Timeout"


def test_an_id_that_has_ended_before_shows_its_first_end(mesh: LocalMesh) -> None:
    mesh.asya("send", "up", "--payload", '"a"', "--id", "twice", "--follow")
    again = mesh.asya("send", "up", "--payload", '"b"', "--id", "twice", "--follow")
    assert again.stdout == '"A"\n'
    assert "has ended before" in again.stderr


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["up"], "--payload is missing"),
        (["--payload", "1"], "name an actor"),
        (["up", "--payload", "{no json}"], "--payload is not JSON"),
        (["up", "--payload", "@nowhere.json"], "@nowhere.json: cannot be read"),
        (["up", "--payload", "1", "--header", "tenant"], "expected name=value"),
        (["up", "rescu", "--payload", "1"], "did you mean rescue"),
        (["up", "--payload", "1", "--id", ""], "id must be a text"),
        (["--envelope", '{"id": "e"}'], "missing required 'route' field"),
        (["--envelope", "{}", "--id", "e"], "leave the other options out"),
        (["up", "--payload", "1", "--context", "kind"], "only the local mesh"),
    ],
)
def test_a_mistake_of_send_exits_2_and_says_what_was_expected(
    mesh: LocalMesh, arguments: list[str], expected: str
) -> None:
    done = mesh.asya("send", *arguments)
    assert done.returncode == 2
    assert expected in done.stderr
    assert "Traceback" not in done.stderr


# --- get --------------------------------------------------------------------------------------------------------------


def test_get_prints_the_wide_table_of_kubectl(mesh: LocalMesh) -> None:
    lines = mesh.asya("get").stdout.splitlines()
    assert lines[0].split() == [
        "NAME", "STATUS", "RUNNING", "PENDING", "FAILING", "TOTAL", "DESIRED", "MIN", "MAX", "LAST-SCALE", "AGE",
        "WORKLOAD", "TRANSPORT", "SCALING", "QUEUED", "PROCESSING",
    ]  # fmt: skip
    assert [line.split()[:3] for line in lines[1:]] == [
        [name, "Running", "1"] for name in ("down", "rescue", "up", "x-sink", "x-sump")
    ]


def test_get_of_one_actor_as_json_is_the_actor_with_its_status(mesh: LocalMesh) -> None:
    document = json.loads(mesh.asya("get", "up", "-o", "json").stdout)
    assert (document["kind"], document["metadata"]["name"]) == ("AsyncActor", "up")
    assert document["status"]["status"] == "Running"
    assert {condition["type"] for condition in document["status"]["conditions"]} >= {
        "TransportReady",
        "WorkloadReady",
        "Ready",
    }


def test_get_of_all_as_json_is_a_list(mesh: LocalMesh) -> None:
    found = json.loads(mesh.asya("get", "-o", "json").stdout)
    assert (found["apiVersion"], found["kind"]) == ("v1", "List")
    assert len(found["items"]) == 5


def test_get_as_yaml_says_the_same(mesh: LocalMesh) -> None:
    text = mesh.asya("get", "up", "-o", "yaml").stdout
    assert YAML(typ="safe", pure=True).load(text)["metadata"]["name"] == "up"


def test_get_of_an_unknown_actor_exits_2(mesh: LocalMesh) -> None:
    done = mesh.asya("get", "dwn")
    assert (done.returncode, "did you mean down" in done.stderr) == (2, True)


# --- explain, trace, graph --------------------------------------------------------------------------------------------


def test_explain_names_rule_evidence_change_and_next_command(mesh: LocalMesh) -> None:
    def told() -> str:
        """What was sent before may still be counted."""
        text = mesh.asya("explain", "up").stdout
        return text if "queue asya-default-up: 0 waiting, 0 in work" in text else ""

    text = until(told, what="an idle queue")
    assert text.startswith("up is Running\n")
    assert "  rule      running:" in text
    assert "pod up-0: asya-sidecar running" in text
    assert "ScalingUp -> Running" in text
    assert "  next      asya " in text


def test_trace_shows_every_hop_with_its_times_and_the_result(mesh: LocalMesh) -> None:
    mesh.asya("send", "up", "down", "--payload", '"a"', "--id", "traced", "--follow")

    def actors() -> list[str]:
        return [line.split()[0] for line in mesh.asya("trace", "traced").stdout.splitlines()[1:4]]

    until(lambda: actors() == ["up", "down", "x-sink"], what="three hops")
    text = mesh.asya("trace", "traced").stdout
    assert "█" in text
    assert "results/traced.json" in text


def test_trace_as_json_has_queue_wait_and_handler_times(mesh: LocalMesh) -> None:
    mesh.asya("send", "up", "--payload", '"a"', "--id", "traced-2", "--follow")
    first = json.loads(mesh.asya("trace", "traced-2", "-o", "json").stdout)["hops"][0]
    assert (first["actor"], first["outcome"], first["destinations"]) == ("up", "success", ["asya-default-x-sink"])
    assert first["queueWaitMs"] >= 0
    assert first["handlerMs"] > 0


def test_trace_finds_the_children_of_a_trace_id(mesh: LocalMesh) -> None:
    for number in range(2):
        arguments = ["--payload", '"a"', "--header", "trace_id=t-42", "--id", f"part-{number}", "--follow"]
        mesh.asya("send", "up", *arguments)
    hops = json.loads(mesh.asya("trace", "t-42", "-o", "json").stdout)["hops"]
    assert {hop["envelopeId"] for hop in hops} == {"part-0", "part-1"}


def test_trace_of_an_unknown_id_exits_1(mesh: LocalMesh) -> None:
    done = mesh.asya("trace", "never-seen")
    assert (done.returncode, "nothing in" in done.stderr) == (1, True)


def test_graph_shows_observed_and_declared_edges(mesh: LocalMesh) -> None:
    mesh.asya("send", "up", "down", "--payload", '"a"', "--follow")

    def edges() -> set[tuple[str, str, str]]:
        found = json.loads(mesh.asya("graph", "-o", "json").stdout)
        return {(edge["from"], edge["to"], edge["kind"]) for edge in found["edges"]}

    until(lambda: ("up", "down", "observed") in edges(), what="the observed edge")
    assert ("up", "rescue", "declared") in edges() or ("up", "rescue", "observed") in edges()


def test_graph_of_files_needs_no_running_mesh(mesh: LocalMesh, tmp_path: Path) -> None:
    done = mesh.asya("graph", str(mesh.folder), "--format", "dot", cwd=tmp_path)
    assert '"up" -> "rescue" [style=dashed];' in done.stdout


def test_graph_as_svg_is_well_formed(mesh: LocalMesh) -> None:
    root = ElementTree.fromstring(mesh.asya("graph", "--format", "svg").stdout)
    texts = {element.text for element in root.iter("{http://www.w3.org/2000/svg}text")}
    assert {"up", "down", "rescue", "x-sink", "x-sump"} <= texts


# --- without a mesh ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "arguments", [["get"], ["explain", "a"], ["send", "a", "--payload", "1"], ["trace", "a"], ["graph"]]
)
def test_without_a_mesh_and_a_cluster_a_verb_exits_3_and_names_asya_up(tmp_path: Path, arguments: list[str]) -> None:
    done = asya(*arguments, cwd=tmp_path, environ={"KUBECONFIG": str(tmp_path / "none"), "HOME": str(tmp_path)})
    assert done.returncode == 3
    assert "asya up" in done.stderr


def test_version_prints_the_version_of_the_client(mesh: LocalMesh) -> None:
    assert json.loads(mesh.asya("version", "--client", "-o", "json").stdout)["crd"] == "asya.sh/v1alpha1"
