"""`asya get`, `explain`, `doctor`, `version` and `diff` on a real API server: what they say is what is there.

Long because each verb has its own objects to look at.
"""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.asya_command import asya
from tests.support.console import ROOT
from tests.support.kube.binaries import binaries
from tests.support.kube.cluster import Cluster
from tests.support.source_files import Asya
from tests.support.wait import until

HELLO = ROOT / "gitops" / "examples" / "hello"
NAP = ROOT / "gitops" / "examples" / "scale-to-zero"


@pytest.fixture
def hello(command: Asya) -> None:
    """The actor of the first example."""
    assert command("sync", HELLO).returncode == 0


STATUS = {
    "observedGeneration": 1,
    "status": "RuntimeError",
    "message": "asya-runtime: CrashLoopBackOff, pod hello-1",
    "readyReplicas": 0,
    "pendingReplicas": 0,
    "failingPods": 1,
    "totalReplicas": 1,
    "desiredReplicas": 1,
    "lastScaleFormatted": "-",
    "scalingMode": "Manual",
    "transportStatus": "Ready",
    "queue": "asya-default-hello",
    "queuedMessages": 3,
    "processingMessages": 0,
    "workloadRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "hello"},
    "conditions": [
        {
            "type": "WorkloadReady",
            "status": "False",
            "reason": "RuntimeCrashLoop",
            "message": "asya-runtime: CrashLoopBackOff, pod hello-1",
            "lastTransitionTime": "2026-01-01T00:00:00Z",
        }
    ],
}
TRACEBACK = "Traceback (most recent call last):\n  File \"/app/hello.py\", line 3, in <module>\nNameError: name 'x' is not defined"
POD_STATUS = {
    "phase": "Running",
    "conditions": [{"type": "Ready", "status": "False", "lastTransitionTime": None}],
    "containerStatuses": [
        {
            "name": "asya-runtime",
            "image": "i",
            "imageID": "",
            "ready": False,
            "restartCount": 4,
            "state": {"waiting": {"reason": "CrashLoopBackOff", "message": "back-off"}},
            "lastState": {"terminated": {"exitCode": 3, "reason": "Error", "message": TRACEBACK}},
        }
    ],
}


def set_status(cluster: Cluster, namespace: str, kind: str, name: str, status: dict[str, Any]) -> None:
    patch = json.dumps({"status": status})
    cluster.kubectl("patch", kind, name, "-n", namespace, "--subresource=status", "--type=merge", "--patch", patch)


@pytest.fixture
def failing(cluster: Cluster, namespace: str, command: Asya) -> None:
    """An actor whose handler cannot be imported, as controller and kubelet would leave it."""
    assert command("sync", HELLO).returncode == 0
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "hello-1", "namespace": namespace, "labels": {"asya.sh/actor": "hello"}},
        "spec": {"containers": [{"name": "asya-runtime", "image": "i"}]},
    }
    cluster.kubectl("apply", "-f", "-", text=json.dumps(pod))
    set_status(cluster, namespace, "pod", "hello-1", POD_STATUS)
    set_status(cluster, namespace, "asya", "hello", STATUS)


def rows(text: str) -> list[list[str]]:
    return [line.split() for line in text.splitlines()]


def without_age(text: str) -> list[list[str]]:
    """The Age column moves on between two looks."""
    return [[cell for cell in row if not cell[:1].isdigit() or cell.isdigit()] for row in rows(text)]


@pytest.mark.usefixtures("failing")
def test_get_prints_what_kubectl_prints(cluster: Cluster, namespace: str, command: Asya) -> None:
    kubectls = cluster.kubectl("get", "asya", "-n", namespace, "-o", "wide").stdout
    assert without_age(command("get").stdout) == without_age(kubectls)
    everywhere = command("get", "--all-namespaces").stdout
    assert rows(everywhere)[0] == ["NAMESPACE", *rows(kubectls)[0]]
    assert namespace in [row[0] for row in rows(everywhere)]


@pytest.mark.usefixtures("failing")
def test_get_of_one_as_data_is_the_object(command: Asya) -> None:
    found = json.loads(command("get", "hello", "--output", "json").stdout)
    assert (found["kind"], found["status"]["status"]) == ("AsyncActor", "RuntimeError")
    assert json.loads(command("get", "--output", "json").stdout)["kind"] == "List"


@pytest.mark.usefixtures("failing")
def test_graph_draws_the_actors_of_a_namespace_with_their_queues(command: Asya) -> None:
    found = json.loads(command("graph", "--output", "json").stdout)
    assert found["nodes"] == [{"name": "hello", "status": "RuntimeError", "replicas": 0, "queued": 3, "processing": 0}]
    assert "RuntimeError 0/1, 3 queued, 0 in work" in command("graph", "--format", "mermaid").stdout


@pytest.mark.usefixtures("hello")
def test_an_unknown_actor_has_near_names(command: Asya) -> None:
    for verb in ("get", "explain"):
        done = command(verb, "helo")
        assert done.returncode == 2
        assert "did you mean hello?" in done.stderr


@pytest.mark.usefixtures("hello")
def test_get_with_watch_prints_a_row_for_each_change(cluster: Cluster, namespace: str, tmp_path: Path) -> None:
    out = tmp_path / "out"
    with out.open("w") as stream:
        watching = subprocess.Popen(
            [sys.executable, "-m", "asya_cli", "get", "--watch", "--namespace", namespace],
            env={"KUBECONFIG": str(cluster.kubeconfig), "PATH": "/usr/bin:/bin"},
            stdout=stream,
            cwd=tmp_path,
        )
    try:
        until(lambda: len(out.read_text().splitlines()) == 2, 60, what="header and row")
        set_status(cluster, namespace, "asya", "hello", {"status": "Creating", "observedGeneration": -1})
        until(lambda: "Creating" in out.read_text(), 60, what="the changed row")
    finally:
        watching.terminate()
        watching.wait(30)


@pytest.mark.usefixtures("failing")
def test_explain_names_place_rule_evidence_and_next_command(namespace: str, command: Asya) -> None:
    lines = command("explain", "hello").stdout.splitlines()
    assert lines[0] == "/app/hello.py:3: NameError: name 'x' is not defined"
    assert lines[1].startswith("hello is RuntimeError: asya-runtime: CrashLoopBackOff")
    assert lines[2] == "  rule      workload_failed: spec, configuration or pods are at fault"
    text = "\n".join(lines)
    assert "pod hello-1: asya-runtime waiting CrashLoopBackOff, not ready, 4 restarts, last exit code 3" in text
    assert "queue asya-default-hello: 3 waiting, 0 in work" in text
    assert "changed   2026-01-01T00:00:00Z: WorkloadReady became False, RuntimeCrashLoop" in text
    assert lines[-1] == f"  next      kubectl logs -n {namespace} hello-1 -c asya-runtime --previous"


@pytest.mark.usefixtures("failing")
def test_explain_names_the_scheduler_and_events(cluster: Cluster, namespace: str, command: Asya) -> None:
    event = {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {"name": "hello.1", "namespace": namespace},
        "involvedObject": {"kind": "Deployment", "name": "hello", "namespace": namespace},
        "type": "Warning",
        "reason": "FailedCreate",
        "message": "exceeded quota: pods",
        "lastTimestamp": "2026-01-02T00:00:00Z",
    }
    cluster.kubectl("create", "-f", "-", text=json.dumps(event))
    assert "event FailedCreate on Deployment hello: exceeded quota: pods" in command("explain", "hello").stdout


@pytest.mark.usefixtures("failing")
def test_explain_leaves_out_what_an_actor_has_recovered_from(cluster: Cluster, namespace: str, command: Asya) -> None:
    for number, (reason, kind) in enumerate(
        [("TransportError", "Warning"), ("Recovered", "Normal"), ("RuntimeError", "Warning")]
    ):
        event = {
            "apiVersion": "v1",
            "kind": "Event",
            "metadata": {"name": f"hello.{number}", "namespace": namespace},
            "involvedObject": {"kind": "AsyncActor", "name": "hello", "namespace": namespace},
            "type": kind,
            "reason": reason,
            "message": f"it was {reason}",
            "lastTimestamp": f"2026-01-02T00:00:0{number}Z",
        }
        cluster.kubectl("create", "-f", "-", text=json.dumps(event))
    told = command("explain", "hello").stdout
    assert "event RuntimeError on AsyncActor hello: it was RuntimeError" in told
    assert "TransportError" not in told


@pytest.mark.usefixtures("hello")
def test_an_actor_nobody_looked_at_leads_to_the_doctor(namespace: str, command: Asya) -> None:
    lines = command("explain", "hello").stdout.splitlines()
    assert lines[0] == "hello is not looked at yet"
    assert lines[-1] == f"  next      asya doctor -n {namespace}"


# --- diff -------------------------------------------------------------------------------------------------------------

CONFIG = """\
transports:
  rabbitmq:
    type: rabbitmq
    config: {host: rabbitmq.example.invalid, username: asya, passwordSecretRef: {name: rabbitmq, key: password}}
"""


@pytest.fixture
def config(tmp_path: Path) -> Path:
    file = tmp_path / "controller.yaml"
    file.write_text(CONFIG)
    return file


@pytest.mark.usefixtures("hello")
def test_diff_shows_a_patch_and_a_unified_diff(command: Asya, tmp_path: Path) -> None:
    file = tmp_path / "hello.yaml"
    file.write_text((HELLO / "hello.yaml").read_text().replace("hello:1.0.0", "hello:1.1.0"))
    done = command("diff", file)
    assert done.returncode == 1
    path = "/spec/workload/template/spec/containers/0/image"
    assert f'{{"op": "replace", "path": "{path}", "value": "registry.example.com/hello:1.1.0"}}' in done.stdout
    assert "-          image: registry.example.com/hello:1.0.0" in done.stdout
    assert "+          image: registry.example.com/hello:1.1.0" in done.stdout
    (data,) = json.loads(command("diff", file, "--output", "json").stdout)
    assert (data["kind"], data["change"], data["patch"][0]["path"]) == ("AsyncActor", "changed", path)


def test_diff_names_the_place_of_what_would_be_refused(command: Asya, config: Path, tmp_path: Path) -> None:
    """By the controller with its configuration, or by the API server, which alone knows every field of a pod."""
    refused = {
        "elsewhere": ("transport: rabbitmq", "transport: kafka", "6:3: InvalidTransport: transport 'kafka' not found"),
        "denied": (
            "      spec:\n",
            "      spec:\n        hostNetwork: true\n",
            "10:9: PolicyViolation: pod template uses",
        ),
        "slow": ("  workload:", "  timeout: {processing: 2000}\n  workload:", "7:13: TimeoutTooLong: "),
        "misspelt": (
            "image: ",
            "imagePullPolicie: x\n            image: ",
            "the cluster refuses Deployment misspelt: ",
        ),
    }
    text = (HELLO / "hello.yaml").read_text()
    for name, (old, new, _) in refused.items():
        (tmp_path / f"{name}.yaml").write_text(text.replace("name: hello", f"name: {name}", 1).replace(old, new, 1))
        done = command("diff", tmp_path / f"{name}.yaml", "--config", config)
        told = [line for line in done.stderr.splitlines() if "warning" not in line]
        assert (done.returncode, [refused[name][2] in line for line in told]) == (1, [True]), done.stderr
        assert told[0].startswith(f"{tmp_path}/{name}.yaml:")


def test_diff_of_what_is_there_exits_1_too_when_it_is_refused(command: Asya, config: Path, tmp_path: Path) -> None:
    file = tmp_path / "elsewhere.yaml"
    file.write_text((HELLO / "hello.yaml").read_text().replace("transport: rabbitmq", "transport: kafka"))
    assert command("sync", file).returncode == 0
    done = command("diff", file, "--config", config)
    assert (done.returncode, done.stdout) == (1, "")


@pytest.mark.usefixtures("hello")
def test_diff_shows_the_children_the_controller_would_apply(command: Asya, config: Path) -> None:
    data = json.loads(command("diff", HELLO, NAP, "--config", config, "--output", "json").stdout)
    added = [(item["kind"], item["name"]) for item in data if item["change"] == "added"]
    assert added[0][0] == "ConfigMap"
    assert added[1:2] == [("Deployment", "hello")]
    assert {("AsyncActor", "nap"), ("Deployment", "nap"), ("ScaledObject", "nap")} <= set(added)
    workload = next(item for item in data if (item["kind"], item["name"]) == ("Deployment", "nap"))
    assert workload["patch"][0]["value"]["spec"]["replicas"] == 0


@pytest.mark.usefixtures("hello")
def test_diff_against_children_as_rendered_finds_nothing_but_drift(
    cluster: Cluster, namespace: str, command: Asya, config: Path
) -> None:
    uid = cluster.kubectl("get", "asya", "hello", "-n", namespace, "-o", "jsonpath={.metadata.uid}").stdout
    rendered = command("render", HELLO, "--config", config).stdout
    apply = ("apply", "--server-side", "--field-manager=asya-controller", "-f", "-")
    cluster.kubectl(*apply, text=rendered.replace('uid: ""', f"uid: {uid}"))
    same = command("diff", HELLO, "--config", config)
    assert (same.returncode, same.stdout) == (0, "")
    patch = '{"spec": {"replicas": 3}}'
    cluster.kubectl("patch", "deploy", "hello", "-n", namespace, "--type=merge", "--patch", patch)
    (data,) = json.loads(command("diff", HELLO, "--config", config, "--output", "json").stdout)
    assert (data["kind"], data["patch"]) == ("Deployment", [{"op": "replace", "path": "/spec/replicas", "value": 1}])


# --- doctor -----------------------------------------------------------------------------------------------------------


@pytest.fixture
def installed(cluster: Cluster, namespace: str) -> Iterator[None]:
    """A controller's Deployment and configuration, as the manifests make them; no kubelet runs it."""
    config_map = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "asya-controller-abc", "namespace": namespace},
        "data": {"controller.yaml": CONFIG},
    }
    container = {
        "name": "controller",
        "image": "registry.example.com/asya-controller:9.9.9",
        "volumeMounts": [{"name": "config", "mountPath": "/etc/asya"}],
    }
    labels = {"app.kubernetes.io/name": "asya-controller"}
    deployment = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "asya-controller", "namespace": namespace, "labels": labels},
        "spec": {
            "selector": {"matchLabels": labels},
            "template": {
                "metadata": {"labels": labels},
                "spec": {
                    "serviceAccountName": "asya-controller",
                    "containers": [container],
                    "volumes": [{"name": "config", "configMap": {"name": "asya-controller-abc"}}],
                },
            },
        },
    }
    for item in (config_map, deployment):
        cluster.kubectl("apply", "-f", "-", text=json.dumps(item))
    yield
    cluster.kubectl("delete", "deployment", "asya-controller", "-n", namespace)


def findings(done: subprocess.CompletedProcess[str]) -> dict[str, dict[str, str]]:
    return {item["subject"]: item for item in json.loads(done.stdout)}


@pytest.mark.usefixtures("hello")
def test_doctor_of_a_cluster_without_a_controller(command: Asya) -> None:
    done = command("doctor", "--output", "json")
    found = findings(done)
    assert done.returncode == 1
    assert (found["API server"]["state"], found["CRD"]["state"]) == ("ok", "ok")
    assert found["controller"]["state"] == "wrong"
    assert "kubectl apply -k" in found["controller"]["mend"]
    assert found["your permissions"]["state"] == "ok"


@pytest.mark.usefixtures("hello", "installed")
def test_doctor_diff_and_version_know_the_installed_controller(cluster: Cluster, namespace: str, command: Asya) -> None:
    refused = {"type": "TransportReady", "status": "False", "reason": "AuthFailed", "message": "access refused"}
    condition = refused | {"lastTransitionTime": "2026-01-01T00:00:00Z"}
    set_status(cluster, namespace, "asya", "hello", {"observedGeneration": 1, "conditions": [condition]})
    found = findings(command("doctor", "--output", "json"))
    assert found["controller"]["found"] == f"9.9.9 in {namespace}, 0 of 1 ready"
    assert found["configuration"]["found"].endswith("controller.yaml; transports: rabbitmq")
    broker = found["transport rabbitmq"]
    assert broker["state"] == "wrong"
    assert "1 actors cannot use it: AuthFailed: access refused" in broker["found"]
    assert "is a name that only the cluster knows" in broker["found"]
    # The account of this name has no rights in this namespace: the manifests give them to the one in asya-system.
    assert found["its permissions"]["state"] == "wrong"
    assert "patch asyncactors.asya.sh" in found["its permissions"]["found"]
    # In the same test, because a cluster that several workers share has one controller at a time.
    data = json.loads(command("diff", HELLO, "--output", "json").stdout)
    workload = next(item for item in data if item["kind"] == "Deployment")
    containers = workload["patch"][0]["value"]["spec"]["template"]["spec"]["containers"]
    assert [c["image"] for c in containers if c["name"] == "asya-sidecar"] == ["asya-sidecar:9.9.9"]
    versions = asya("version", "--output", "json", environ={"KUBECONFIG": str(cluster.kubeconfig)})
    assert json.loads(versions.stdout)["controller"] == "9.9.9"


# --- which cluster ----------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("hello")
def test_the_plugin_is_the_same_command(cluster: Cluster, namespace: str) -> None:
    environ = {"KUBECONFIG": str(cluster.kubeconfig), "PATH": f"{Path(sys.executable).parent}:/usr/bin:/bin"}
    done = subprocess.run(
        [binaries()["kubectl"], "asya", "get", "-n", namespace],
        env=environ,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, rows(done.stdout)[1][0]) == (0, "hello"), done.stderr


@pytest.mark.parametrize("verb", ["get", "doctor", "sync"])
def test_credentials_that_are_not_accepted_exit_3(cluster: Cluster, tmp_path: Path, verb: str) -> None:
    view = json.loads(cluster.kubectl("config", "view", "--raw", "--minify", "--flatten", "-o", "json").stdout)
    view["users"][0]["user"] = {"token": "not-this-one"}
    kubeconfig = tmp_path / "kubeconfig"
    kubeconfig.write_text(json.dumps(view))
    done = asya(verb, *([HELLO] if verb == "sync" else []), environ={"KUBECONFIG": str(kubeconfig)})
    assert (done.returncode, done.stdout) == (3, "")
    assert "does not accept the credentials of context" in done.stderr


def test_a_context_nobody_has_is_named_with_those_there_are(cluster: Cluster) -> None:
    done = asya("get", "--context", "nowhere", environ={"KUBECONFIG": str(cluster.kubeconfig)})
    assert done.returncode == 2
    assert "--context nowhere: no such context in the kubeconfig; there are " in done.stderr


def test_without_a_mesh_and_without_a_cluster_both_are_said(tmp_path: Path) -> None:
    done = asya("get", cwd=tmp_path, environ={"KUBECONFIG": str(tmp_path / "none"), "HOME": str(tmp_path)})
    assert done.returncode == 3
    assert "no mesh is running in" in done.stderr
    assert "no cluster to speak to" in done.stderr
