"""Faults on this machine have the statuses a cluster would show for them (contract: cli; controller, Status)."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.local_mesh import LocalMesh, local_mesh
from tests.support.wait import until

pytestmark = pytest.mark.timeout(120)

SAME = "def f(payload):\n    return payload\n"
SCALED = "  scaling: {enabled: true, minReplicas: 0, maxReplicas: 3, cooldownPeriod: 1, queueLength: 2}\n"


@pytest.fixture
def mesh(tmp_path: Path) -> Iterator[LocalMesh]:
    with local_mesh(tmp_path) as found:
        found.handler("same", SAME)
        yield found


def reason(mesh: LocalMesh, actor: str) -> str:
    """The reason of WorkloadReady."""
    conditions = mesh.entry(actor)["document"]["status"]["conditions"]
    return str(next(c["reason"] for c in conditions if c["type"] == "WorkloadReady"))


def test_a_missing_interpreter_is_a_config_error_that_names_it(mesh: LocalMesh) -> None:
    file = mesh.actor("a", "same.f")
    file.write_text(file.read_text().replace("  workload:\n", "  workload:\n    pythonExecutable: /no/such/python\n"))
    mesh.up(wait_for=None)
    mesh.becomes("a", "ConfigError")
    assert reason(mesh, "a") == "InterpreterNotFound"
    assert "/no/such/python" in mesh.entry("a")["document"]["status"]["message"]
    assert "--python" in mesh.asya("explain", "a").stdout


def test_the_option_python_replaces_a_missing_interpreter(mesh: LocalMesh) -> None:
    file = mesh.actor("a", "same.f")
    file.write_text(file.read_text().replace("  workload:\n", "  workload:\n    pythonExecutable: /no/such/python\n"))
    mesh.up("--python", "python3", ".")
    mesh.send("a", 1, "e-1")
    assert mesh.result("e-1") == 1


def test_two_actors_with_one_queue_name_do_not_share_it_and_the_second_begins_when_the_first_is_gone(
    mesh: LocalMesh,
) -> None:
    files = []
    for name, namespace in (("b-c", "a"), ("c", "a-b")):
        file = mesh.actor(name, "same.f")
        file.write_text(file.read_text().replace("metadata:\n", f"metadata:\n  namespace: {namespace}\n"))
        files.append(file)
    mesh.up(wait_for=None)
    mesh.becomes("b-c", "Running")
    mesh.becomes("c", "TransportError")
    assert "queue 'asya-a-b-c' belongs to a/b-c" in mesh.entry("c")["document"]["status"]["message"]
    assert mesh.processes_of("c") == []
    files[0].unlink()
    mesh.becomes("c", "Running")


def test_a_missing_value_names_actor_container_and_variable_and_env_mends_it(mesh: LocalMesh) -> None:
    mesh.handler("key", "import os\n\n\ndef f(payload):\n    return os.environ['API_KEY']\n")
    file = mesh.actor("a", "key.f")
    reference = "          - {name: API_KEY, valueFrom: {secretKeyRef: {name: llm-api, key: token}}}\n"
    file.write_text(file.read_text() + reference)
    mesh.up(wait_for=None)
    mesh.becomes("a", "ConfigError")
    assert reason(mesh, "a") == "ConfigNotFound"
    message = mesh.entry("a")["document"]["status"]["message"]
    assert "asya-runtime" in message
    evidence = mesh.asya("explain", "a").stdout
    assert "actor a, container asya-runtime, variable API_KEY" in evidence
    (mesh.folder / ".env").write_text("API_KEY=s3cret\n")
    mesh.becomes("a", "Running")
    mesh.send("a", None, "e-1")
    assert mesh.result("e-1") == "s3cret"


def test_a_value_can_be_given_with_env(mesh: LocalMesh) -> None:
    mesh.handler("key", "import os\n\n\ndef f(payload):\n    return os.environ['API_KEY']\n")
    file = mesh.actor("a", "key.f")
    reference = "          - {name: API_KEY, valueFrom: {secretKeyRef: {name: llm-api, key: token}}}\n"
    file.write_text(file.read_text() + reference)
    mesh.up("--env", "API_KEY=given", ".")
    mesh.send("a", None, "e-1")
    assert mesh.result("e-1") == "given"


def test_a_violated_pod_policy_is_a_config_error_and_starts_nothing(mesh: LocalMesh) -> None:
    file = mesh.actor("a", "same.f")
    file.write_text(file.read_text().replace("      spec:\n", "      spec:\n        hostNetwork: true\n"))
    mesh.actor("b", "same.f")
    mesh.up(wait_for=None)
    mesh.becomes("b", "Running")
    mesh.becomes("a", "ConfigError")
    assert reason(mesh, "a") == "PolicyViolation"
    assert mesh.processes_of("a") == []


def test_a_handler_that_cannot_be_loaded_stays_a_runtime_error_between_its_restarts(mesh: LocalMesh) -> None:
    mesh.handler("bad", "raise OSError('no model')\n")
    mesh.actor("a", "bad.f")
    mesh.up(wait_for=None)

    def restarts() -> int:
        statuses = [c for pod in mesh.entry("a").get("pods", ()) for c in pod["status"].get("containerStatuses", ())]
        return next((int(c["restartCount"]) for c in statuses if c["name"] == "asya-runtime"), 0)

    # After a single restart a pod that is running counts as starting (contract: controller, Status, P4).
    until(lambda: restarts() >= 2, what="two restarts")
    mesh.becomes("a", "RuntimeError")
    before = restarts()

    def restarted_again() -> bool:
        assert mesh.entry("a")["document"]["status"]["status"] == "RuntimeError"
        return restarts() > before

    until(restarted_again, what="one more restart")
    assert "no model" in mesh.entry("a")["document"]["status"]["message"]


def test_an_idle_actor_naps_after_its_cooldown_and_wakes_for_an_envelope(mesh: LocalMesh) -> None:
    mesh.actor("a", "same.f", SCALED)
    mesh.up(wait_for=None)
    mesh.becomes("a", "Napping")
    assert mesh.processes_of("a") == []
    mesh.send("a", 1, "e-1")
    assert mesh.result("e-1") == 1
    mesh.becomes("a", "Napping")
    until(lambda: mesh.processes_of("a") == [], what="the processes to end")
    until(
        lambda: mesh.entry("a")["document"]["status"]["lastScaleDirection"] == "down", what="the scale down to be told"
    )


def test_replicas_follow_the_queue_up_to_the_maximum(mesh: LocalMesh) -> None:
    go = mesh.folder / "go"
    mesh.handler(
        "slow",
        "import pathlib, time\n\n\n"
        f"def f(payload):\n    while not pathlib.Path({str(go)!r}).exists():\n        time.sleep(0.05)\n    return payload\n",
    )
    mesh.actor("a", "slow.f", SCALED)
    mesh.up("--max-replicas", "2", ".", wait_for=None)
    mesh.becomes("a", "Napping")
    for number in range(10):
        mesh.send("a", number, f"e-{number}")
    until(lambda: mesh.entry("a")["document"]["status"]["readyReplicas"] == 2, what="two replicas")
    assert mesh.entry("a")["document"]["status"]["desiredReplicas"] == 2
    go.touch()
    assert [mesh.result(f"e-{number}") for number in range(10)] == list(range(10))


def test_a_stateful_set_keeps_the_numbers_of_its_replicas(mesh: LocalMesh) -> None:
    file = mesh.actor("a", "same.f")
    file.write_text(file.read_text().replace("  workload:\n", "  workload:\n    kind: StatefulSet\n    replicas: 2\n"))
    mesh.up()
    assert [pod["metadata"]["name"] for pod in mesh.entry("a")["pods"]] == ["a-0", "a-1"]
    assert mesh.entry("a")["document"]["status"]["workloadRef"]["kind"] == "StatefulSet"
    first = mesh.processes_of("a")
    file.write_text(file.read_text().replace("value: same.f", "value: same.g"))
    mesh.handler("same", SAME.replace("def f", "def g"))
    until(lambda: not [p for p in first if p.is_running()], within_s=30, what="both to be replaced")

    def names_of_ready_pods() -> list[str]:
        pods = [pod for pod in mesh.entry("a")["pods"] if "deletionTimestamp" not in pod["metadata"]]
        ready = [pod for pod in pods if all(container["ready"] for container in pod["status"]["containerStatuses"])]
        return sorted(pod["metadata"]["name"] for pod in ready)

    until(lambda: names_of_ready_pods() == ["a-0", "a-1"], what="both to be there again")
    mesh.becomes("a", "Running")


def test_a_killed_process_starts_again_and_the_actor_recovers(mesh: LocalMesh) -> None:
    mesh.actor("a", "same.f")
    mesh.up()
    for process in mesh.processes_of("a"):
        process.kill()
    mesh.send("a", 1, "e-1")
    assert mesh.result("e-1") == 1
    mesh.becomes("a", "Running")


def test_an_x_sink_of_the_files_takes_the_place_of_the_built_in_one(mesh: LocalMesh) -> None:
    mesh.handler("ends", "def keep(envelope):\n    print('kept', envelope['payload'], flush=True)\n    return None\n")
    mesh.actor("a", "same.f")
    file = mesh.actor("x-sink", "ends.keep")
    file.write_text(file.read_text() + "          - {name: ASYA_HANDLER_MODE, value: envelope}\n")
    mesh.up()
    mesh.send("a", "mine", "e-1")
    log = mesh.folder / ".asya" / "logs" / "x-sink-0" / "runtime.log"
    until(lambda: "kept mine" in log.read_text(), what="the own x-sink to be called")
    assert mesh.entry("x-sink")["builtIn"] is False


def test_two_namespaces_have_queues_and_end_actors_of_their_own(mesh: LocalMesh) -> None:
    mesh.actor("a", "same.f")
    other = mesh.actor("b", "same.f")
    other.write_text(other.read_text().replace("name: b\n", "name: a\n  namespace: blue\n", 1))
    mesh.up()
    assert sorted(mesh.statuses()) == [
        "blue.a", "blue.x-sink", "blue.x-sump", "default.a", "default.x-sink", "default.x-sump",
    ]  # fmt: skip
    sent = mesh.asya("send", "a", "--payload", "1", "--namespace", "blue", "--follow")
    assert (sent.returncode, sent.stdout) == (0, "1\n")
    assert "several namespaces" in mesh.asya("send", "a", "--payload", "1").stderr


def test_a_sidecar_that_refuses_its_settings_is_a_sidecar_error_with_its_last_line(mesh: LocalMesh) -> None:
    mesh.actor("a", "same.f", "  sidecar: {env: [{name: ASYA_PREFETCH, value: lots}]}\n")
    mesh.up(wait_for=None)
    mesh.becomes("a", "SidecarError")
    assert reason(mesh, "a") == "SidecarCrashLoop"
    assert "ASYA_PREFETCH" in mesh.entry("a")["document"]["status"]["message"]


def test_a_call_past_its_time_ends_at_x_sump_and_the_actor_works_on(mesh: LocalMesh) -> None:
    mesh.handler("slow", "import time\n\n\ndef f(payload):\n    time.sleep(payload)\n    return payload\n")
    file = mesh.actor("a", "slow.f")
    file.write_text(file.read_text().replace("processing: 20", "processing: 1"))
    mesh.up()
    mesh.send("a", 60, "too-long")
    mesh.send("a", 0, "short")
    assert mesh.error("too-long")["status"]["reason"] == "Timeout"
    assert mesh.result("short") == 0
    mesh.becomes("a", "Running")
