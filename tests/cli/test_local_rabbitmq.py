"""`asya up --transport rabbitmq=URL`: the mesh on one machine with a real RabbitMQ (contract: cli, Transport).

Every example's README is typed again, on a virtual host of its own; then what is different from the embedded broker: queues of others,
a password that must be seen nowhere, an address that leads nowhere, a broker that goes away. Long because all of it needs the same mesh.
"""

import contextlib
import dataclasses
import signal
import stat
import subprocess
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import psutil
import pytest

from asya_transport.port import Outcome
from tests.support.console import ROOT, check, copy_of_the_repository, steps
from tests.support.guarded import free_port
from tests.support.local_mesh import ASYA, LocalMesh, environment, local_mesh
from tests.support.rabbitmq import Node, node, shared_node
from tests.support.wait import until

pytestmark = pytest.mark.timeout(180)

EXAMPLES = sorted(path.name for path in (ROOT / "gitops" / "examples").iterdir())
CERTIFICATES = ROOT / "tests" / "support" / "tls"
TLS = """\
listeners.ssl.1 = 127.0.0.1:{port}
ssl_options.certfile = {folder}/localhost.pem
ssl_options.keyfile = {folder}/localhost-key.pem
"""
SAME = "def f(payload):\n    return payload\n"
SCALED = "  scaling: {enabled: true, minReplicas: 0, maxReplicas: 2, cooldownPeriod: 1, queueLength: 5}\n"


@pytest.fixture
def mesh(tmp_path: Path) -> Iterator[LocalMesh]:
    with local_mesh(tmp_path, "rabbitmq") as found:
        found.handler("same", SAME)
        yield found


def down(mesh: LocalMesh) -> None:
    assert mesh.asya("down").returncode == 0
    assert mesh.wait_for_end() == 0


# --- every example ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("example", EXAMPLES)
def test_every_example_does_on_rabbitmq_what_its_readme_shows(example: str, tmp_path: Path) -> None:
    document = ROOT / "gitops" / "examples" / example / "README.md"
    typed = [
        dataclasses.replace(step, command=step.command.replace("asya up .", "asya up . --transport rabbitmq"))
        for step in steps(document)
    ]
    assert typed[0].command == "asya up . --transport rabbitmq --detach"
    copy = copy_of_the_repository(tmp_path)
    with shared_node().vhost_url() as url:
        check(document, typed, copy / "gitops" / "examples" / example, 120, ASYA_RABBITMQ_URL=url)
        found = copy / "gitops" / "examples" / example / ".asya"
        assert not (found / "mesh.db").exists()


# --- verbs and scaling ------------------------------------------------------------------------------------------------


def test_an_actor_sleeps_wakes_and_sleeps_again_and_is_not_put_to_sleep_in_a_call(mesh: LocalMesh) -> None:
    go, started = mesh.folder / "go", mesh.folder / "started"
    mesh.handler(
        "slow",
        "import pathlib, time\n\n\ndef f(payload):\n"
        f"    pathlib.Path({str(started)!r}).touch()\n"
        f"    while not pathlib.Path({str(go)!r}).exists():\n        time.sleep(0.02)\n    return payload\n",
    )
    mesh.actor("slow", "slow.f", SCALED)
    mesh.up(wait_for=None)
    mesh.becomes("slow", "Napping")
    mesh.send("slow", 1, "e-1")
    until(started.exists, what="the actor to wake and begin")
    counts = ("queued", "processing")
    until(lambda: [mesh.entry("slow")[count] for count in counts] == [0, 1], what="the call to be counted")
    process = mesh.processes_of("slow")
    began = time.monotonic()
    # Longer than the cooldown: nothing waits in the queue, but a call runs.
    until(lambda: time.monotonic() - began > 3, what="the cooldown to be over")
    assert all(found.is_running() for found in process)
    go.touch()
    assert mesh.result("e-1") == 1
    mesh.becomes("slow", "Napping")
    assert "PROCESSING" in mesh.asya("get", "slow").stdout
    assert "slow" in mesh.asya("graph", "--format", "mermaid").stdout


def test_a_saved_handler_and_a_saved_actor_take_effect(mesh: LocalMesh) -> None:
    mesh.actor("a", "same.f")
    mesh.up()
    mesh.handler("same", "def f(payload):\n    return 'new'\n")
    until(lambda: "handler changed" in mesh.printed, what="the edit to be seen")
    mesh.send("a", 1, "e-1")
    until(lambda: mesh.result("e-1") in (1, "new"), what="a result of either code")
    mesh.actor("b", "same.f")
    mesh.becomes("b", "Running")
    done = mesh.asya("send", "b", "a", "--payload", "1", "--follow")
    assert (done.returncode, done.stdout) == (0, '"new"\n')


def test_what_is_sent_while_the_mesh_is_down_is_done_at_the_next_up(mesh: LocalMesh) -> None:
    mesh.actor("a", "same.f")
    mesh.up()
    down(mesh)
    assert mesh.asya("send", "a", "--payload", "7", "--id", "e-1").returncode == 0
    assert mesh.waiting("asya-default-a") == 1
    mesh.up()
    assert mesh.result("e-1") == 7
    assert "e-1: result in" in mesh.asya("trace", "e-1").stdout


# --- queues of others -------------------------------------------------------------------------------------------------


def test_a_removed_actors_queue_goes_and_no_queue_of_others_is_touched(mesh: LocalMesh) -> None:
    with mesh.admin() as others:
        for queue in ("theirs", "asya-default-theirs", "asya-default-b"):
            others.declare(queue)
        assert others.publish("asya-default-theirs", b"{}") is Outcome.CONFIRMED
    mesh.actor("a", "same.f")
    files = [mesh.actor(name, "same.f") for name in ("b", "c")]
    mesh.up()
    assert "queue asya-default-b was there before" in mesh.printed
    for file in files:
        file.unlink()
    until(lambda: "asya-default-c" not in mesh.queues(), what="the queue of c to go")
    until(lambda: mesh.state.get("retiredQueues") == [], what="nothing to be left to remove")
    down(mesh)
    mesh.up()
    down(mesh)
    left = [name for name in mesh.queues() if not name.endswith("-dlq") and not name.startswith("asya.delay.")]
    assert left == [
        "asya-default-a",
        "asya-default-b",
        "asya-default-theirs",
        "asya-default-x-sink",
        "asya-default-x-sump",
        "theirs",
    ]
    assert mesh.waiting("asya-default-theirs") == 1


def test_an_own_queue_with_a_message_stays_and_the_next_mesh_still_knows_it(mesh: LocalMesh) -> None:
    mesh.handler("broken", "import nothing_of_this_name\n")
    mesh.actor("a", "same.f")
    file = mesh.actor("broken", "broken.f")
    mesh.up(wait_for=None)
    mesh.becomes("broken", "RuntimeError")
    mesh.send("broken", 1, "e-1")
    file.unlink()
    until(lambda: mesh.state.get("retiredQueues") == ["asya-default-broken"], what="the queue to be retired")
    down(mesh)
    mesh.up()  # the next mesh still knows that the queue is its own, and that it is not empty
    until(lambda: mesh.state.get("retiredQueues") == ["asya-default-broken"], what="the queue to be retired again")
    assert mesh.waiting("asya-default-broken") == 1
    mesh.handler("broken", SAME)
    mesh.actor("broken", "broken.f")
    assert mesh.result("e-1") == 1


def test_a_queue_that_somebody_removes_is_made_again(mesh: LocalMesh) -> None:
    mesh.actor("a", "same.f")
    mesh.up()
    with mesh.admin() as others:
        others.delete("asya-default-a")
    until(lambda: "asya-default-a has been removed by somebody else" in mesh.printed, what="the loss to be noticed")
    until(lambda: "asya-default-a" in mesh.queues(), what="the queue to be back")
    mesh.send("a", 1, "e-1")
    assert mesh.result("e-1") == 1


# --- the password -----------------------------------------------------------------------------------------------------

# Another one in each worker: it stands on the command line that is typed, until that begins anew without it.
CANARY = f"canary/p@ss:word#{uuid.uuid4().hex[:8]}"
QUOTED = quote(CANARY, safe="")


def seen_by_others(folder: Path) -> list[str]:
    """Files that others may read, and command lines of all processes, that hold the password."""
    texts = []
    for file in folder.rglob("*"):
        with contextlib.suppress(FileNotFoundError):  # the mesh replaces its files
            if file.is_file() and stat.S_IMODE(file.stat().st_mode) & 0o077:
                texts.append((str(file), file.read_text(errors="replace")))
    for process in psutil.process_iter(["cmdline"]):
        texts.append((str(process.pid), " ".join(process.info["cmdline"] or ())))
    return [name for name, text in texts if CANARY in text or QUOTED in text]


def with_canary(mesh: LocalMesh) -> str:
    """The mesh's address, for a user whose password is looked for everywhere."""
    assert mesh.url is not None
    broker, vhost = shared_node(), mesh.url.rpartition("/")[2]
    broker.add_user("ada", CANARY)
    broker.permit(vhost, "ada")
    return f"amqp://ada:{QUOTED}@{mesh.url.partition('@')[2]}"


@pytest.mark.parametrize("detach", [False, True], ids=["terminal", "detached"])
def test_the_password_is_on_no_command_line_in_no_log_and_in_no_file_for_others(mesh: LocalMesh, detach: bool) -> None:
    mesh.actor("a", "same.f")
    mesh.url = with_canary(mesh)
    mesh.transport = ("--transport", f"rabbitmq={mesh.url}")
    if detach:
        done = mesh.asya("up", ".", "--detach", *mesh.transport)
        assert done.returncode == 0, done.stderr
        printed = done.stdout + done.stderr
    else:
        mesh.up(".")
        printed = mesh.printed
    sent = mesh.asya("-v", "send", "a", "--payload", "1", "--follow")
    assert (sent.returncode, sent.stdout) == (0, "1\n")
    shown = [mesh.asya(*words).stdout for words in (("get", "-o", "json"), ("explain", "a"), ("graph",))]
    assert "user 'ada'" in printed
    for text in (printed, sent.stderr, *shown):
        assert CANARY not in text
        assert QUOTED not in text
    assert seen_by_others(mesh.folder) == []
    runtimes = [p for p in psutil.process_iter() if environ_of(p).get("ASYA_HANDLER") and folder_of(p) == mesh.folder]
    assert runtimes
    assert not [p for p in runtimes if CANARY in str(environ_of(p)) or QUOTED in str(environ_of(p))]
    mesh.asya("down")
    assert seen_by_others(mesh.folder) == []


def environ_of(process: psutil.Process) -> dict[str, str]:
    try:
        return process.environ()
    except psutil.Error:
        return {}


def folder_of(process: psutil.Process) -> Path | None:
    try:
        return Path(process.cwd())
    except psutil.Error:
        return None


def test_parts_in_the_environment_do_as_well_and_a_password_file_is_not_copied(mesh: LocalMesh) -> None:
    with_canary(mesh)
    assert mesh.url is not None
    address, _, vhost = mesh.url.partition("@")[2].partition("/")
    secret = mesh.folder / "secret"
    secret.write_text(CANARY + "\n")
    secret.chmod(0o600)
    variables = {
        # The first host has no broker: the next one is tried.
        "ASYA_RABBITMQ_HOST": f"127.0.0.2,{address.partition(':')[0]}",
        "ASYA_RABBITMQ_PORT": address.partition(":")[2],
        "ASYA_RABBITMQ_VHOST": vhost,
        "ASYA_RABBITMQ_USERNAME": "ada",
        "ASYA_RABBITMQ_PASSWORD_FILE": "secret",
        "ASYA_QUEUE_NAME_TEMPLATE": "{actor}",
    }
    mesh.actor("a", "same.f")
    done = subprocess.run(
        [ASYA, "up", ".", "--transport", "rabbitmq", "--detach"],
        cwd=mesh.folder, env=environment() | variables, capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    sent = mesh.asya("send", "a", "--payload", "1", "--follow")
    assert (sent.returncode, sent.stdout) == (0, "1\n")
    assert "a" in mesh.queues()
    assert "asya-default-a" not in mesh.queues()
    assert not (mesh.folder / ".asya" / "broker-password").exists()


# --- an address that leads nowhere ------------------------------------------------------------------------------------


def refused(mesh: LocalMesh, transport: str) -> tuple[int, str]:
    done = mesh.asya("up", ".", "--transport", transport)
    assert "Traceback" not in done.stderr
    assert "topsecret" not in done.stderr + done.stdout
    assert len(done.stderr.splitlines()) == 1, done.stderr
    return done.returncode, done.stderr


@pytest.mark.parametrize(
    ("transport", "words"),
    [
        ("kafka", "--transport: 'kafka' is none; expected sqlite, rabbitmq or rabbitmq=amqp://user:password@host:5672/vhost"),
        ("amqp://u:topsecret@localhost/", "--transport: an address needs 'rabbitmq=' in front; expected sqlite"),
        ("sqlite=x", "--transport: sqlite takes no address"),
        ("rabbitmq", "--transport rabbitmq: where is it? Give an address"),
        ("rabbitmq=", "--transport rabbitmq=***: must be an address such as amqp://user:password@host:5672/vhost"),
        ("rabbitmq=http://u:topsecret@localhost/", "--transport rabbitmq=***: must be an address such as amqp://"),
        ("rabbitmq=amqp://u:topsecret@localhost:x/", "--transport rabbitmq=***: must be an address such as amqp://"),
    ],
)  # fmt: skip
def test_a_wrong_option_is_one_sentence_and_exit_2(mesh: LocalMesh, transport: str, words: str) -> None:
    mesh.actor("a", "same.f")
    code, text = refused(mesh, transport)
    assert (code, words in text) == (2, True), text


def test_a_broker_that_cannot_be_used_is_one_sentence_with_the_next_step_and_exit_3(mesh: LocalMesh) -> None:
    mesh.actor("a", "same.f")
    broker = shared_node()
    address = broker.address("/")
    place = f"{address.hosts[0]}:{address.port}"
    management = broker.management_url.partition("//")[2]
    cases = [
        (
            "amqp://u:topsecret@127.0.0.1:1/",
            "127.0.0.1:1, virtual host '/': Connection refused: start the broker, or mend",
        ),
        ("amqp://u:topsecret@no-such-host.invalid/", "no-such-host.invalid:5672, virtual host '/':"),
        (f"amqp://guest:topsecret@{place}/", "refuses the user or the password (user 'guest'): check user, password"),
        (
            f"amqp://guest:guest@{place}/none",
            "virtual host 'none': has no such virtual host, or the user may not use it",
        ),
        (f"amqp://u:topsecret@{management}/", "what answers there does not speak AMQP"),
        (f"amqps://u:topsecret@{place}/", "SSL"),
    ]
    for url, words in cases:
        code, text = refused(mesh, f"rabbitmq={url}")
        assert (code, words in text) == (3, True), text
    detached = mesh.asya("up", ".", "--detach", "--transport", f"rabbitmq={url}")
    assert (detached.returncode, detached.stderr) == (code, text)
    assert mesh.state == {}


# --- a broker that goes away ------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def tls_port() -> int:
    return free_port()


@pytest.fixture(scope="module")
def own_node(tls_port: int) -> Iterator[Node]:
    """One that may be killed and frozen, and that speaks TLS as well."""
    with node(TLS.format(port=tls_port, folder=CERTIFICATES)) as found:
        yield found


def test_tls_verifies_the_broker_and_is_used_by_every_process(own_node: Node, tls_port: int, mesh: LocalMesh) -> None:
    mesh.actor("a", "same.f")
    with own_node.vhost_url() as plain:
        vhost = plain.rpartition("/")[2]
        mesh.transport = ("--transport", f"rabbitmq=amqps://guest:guest@localhost:{tls_port}/{vhost}")
        untrusted = mesh.asya("up", ".", *mesh.transport)
        assert untrusted.returncode == 3
        assert "certificate verify failed" in untrusted.stderr
        done = subprocess.run(
            [ASYA, "up", ".", "--detach", *mesh.transport],
            cwd=mesh.folder, capture_output=True, text=True, timeout=60,
            env=environment() | {"ASYA_RABBITMQ_TLS_CA_FILE": str(CERTIFICATES / "localhost.pem")},
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        sent = mesh.asya("send", "a", "--payload", "1", "--follow")
        assert (sent.returncode, sent.stdout) == (0, "1\n")
        protocols = until(lambda: own_node.ask("GET", f"vhosts/{vhost}/connections"), what="connections are listed")
        assert {found["ssl"] for found in protocols} == {True}
        mesh.asya("down")


def test_a_broker_that_goes_away_is_a_transport_error_and_all_goes_on_when_it_is_back(
    own_node: Node, tmp_path: Path
) -> None:
    with own_node.vhost_url() as url:
        mesh = LocalMesh(tmp_path, url)
        try:
            mesh.handler("same", SAME)
            mesh.actor("a", "same.f")
            mesh.actor("nap", "same.f", SCALED)
            mesh.up(wait_for=None)
            mesh.becomes("a", "Running")
            own_node.kill()
            until(lambda: "Connection refused" in mesh.printed, what="the loss to be said")
            mesh.actor("late", "same.f")
            mesh.becomes("late", "TransportError")  # one that was never there is not given 30 s
            assert mesh.processes_of("late") == []
            sent = mesh.asya("send", "a", "--payload", "1")
            assert sent.returncode == 3
            assert "Connection refused" in sent.stderr
            mesh.becomes("a", "ScalingUp", within_s=20)
            mesh.becomes("a", "TransportError", within_s=60)
            explained = mesh.asya("explain", "a").stdout
            assert "BrokerUnreachable" in explained
            assert "Connection refused" in explained
            own_node.start()
            for name in ("a", "late"):
                mesh.becomes(name, "Running", within_s=60)
            until(lambda: "the broker can be used again" in mesh.printed, what="the return to be said")
            for name in ("a", "nap", "late"):
                mesh.send(name, name, f"e-{name}")
                assert mesh.result(f"e-{name}") == name
            assert mesh.asya("down").returncode == 0
            assert mesh.left() == []
        finally:
            mesh.close()


def test_a_broker_that_answers_nothing_is_said_and_keeps_nobody_from_stopping(own_node: Node, tmp_path: Path) -> None:
    with own_node.vhost_url() as url:
        mesh = LocalMesh(tmp_path, url)
        try:
            mesh.handler("same", SAME)
            mesh.actor("a", "same.f")
            mesh.up()
            own_node.freeze()
            until(lambda: "has not answered for 10 s" in mesh.printed, 30, what="the silence to be said")
            mesh.signal(signal.SIGINT)
            assert mesh.wait_for_end(20) == 0
            assert mesh.left() == []
        finally:
            own_node.thaw()
            mesh.close()
