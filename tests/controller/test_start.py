"""The process starts, or says everything that keeps it from starting; and it ends, however far it is (contract: controller 1)."""

import json
import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from asya_controller.act.api import Api
from asya_controller.act.connection import Connection, connect
from asya_controller.act.controller import Controller
from asya_controller.act.events import EventSender
from asya_controller.act.lease import Lease
from asya_controller.act.metrics import Metrics
from asya_controller.decide.config import Sqlite, local_config
from asya_controller.settings import from_environ


def test_every_problem_of_variables_configuration_and_script_is_a_line_and_the_code_is_2(tmp_path: Path) -> None:
    config, script = tmp_path / "controller.yaml", tmp_path / "script.py"
    config.write_text("transports: {a: {type: rabbitmq, config: {hsot: r, delayTiers: [soon]}}}\nclusterID: x\n")
    script.write_text(" \n")
    wrong = {
        "ASYA_CONFIG_FILE": str(config),
        "ASYA_RUNTIME_SCRIPT_PATH": str(script),
        "ASYA_MAX_CONCURRENT_RECONCILES": "65",
    }
    command = [sys.executable, "-m", "asya_controller"]
    done = subprocess.run(command, env=os.environ | wrong, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    told = [line.removeprefix("configuration error: ").rsplit(": ", 1)[0] for line in done.stderr.splitlines()]
    assert told == [
        "ASYA_MAX_CONCURRENT_RECONCILES",
        "transports.a.config.host",
        "transports.a.config.passwordSecretRef",
        "transports.a.config.delayTiers.0",
        "transports.a.config.hsot",
        "clusterID",
        str(script),
    ]
    assert "did you mean host?" in done.stderr
    assert "did you mean clusterId?" in done.stderr


def connection_to_nobody(folder: Path) -> Connection:
    """Nothing is asked in these tests."""
    file = folder / "kubeconfig"
    cluster = {"name": "c", "cluster": {"server": "http://127.0.0.1:9"}}
    context = {"name": "c", "context": {"cluster": "c", "user": "u"}}
    parts = {"clusters": [cluster], "contexts": [context], "users": [{"name": "u", "user": {}}], "current-context": "c"}
    file.write_text(json.dumps({"apiVersion": "v1", "kind": "Config", **parts}))
    return connect(1, str(file), "default")


def test_a_controller_that_is_asked_to_end_while_it_begins_to_work_ends_what_it_has_begun(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The signal comes to the main thread, whatever another one is at."""
    metrics, connection = Metrics("1", 1, ""), connection_to_nobody(tmp_path)
    api = Api(connection, metrics.requested)
    settings = from_environ({"ASYA_MANAGE_QUEUES": "false"})
    controller = Controller(settings, local_config([], Sqlite(path="mesh.db")), "", api, metrics, "one")
    begun, go_on, start = threading.Event(), threading.Event(), EventSender.start

    def slowly(sender: EventSender) -> None:
        begun.set()
        go_on.wait(30)
        start(sender)

    monkeypatch.setattr(EventSender, "start", slowly)
    beginning = threading.Thread(target=controller.start_work)
    beginning.start()
    assert begun.wait(30)
    threading.Timer(0.2, go_on.set).start()
    controller.stop(5)
    beginning.join(30)
    assert not [thread for thread in threading.enumerate() if thread.name.startswith(("worker-", "events"))]
    controller.start_work()
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("worker-")]


def test_a_lease_that_nobody_has_asked_for_is_given_back_at_once(tmp_path: Path) -> None:
    """Asked to end before its stores were full."""
    Lease(Api(connection_to_nobody(tmp_path), Metrics("1", 1, "").requested), "default", "one", lambda: None).release()
