"""`make cluster`, as a person uses it: what it prints leads to a mesh at work, and the command it names ends everything.

By itself and not among the tests with the marker `node`: those hold the one node of this machine until their last one is over.
"""

import os
import re
import signal
import subprocess
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from tests.support.actors import RUNTIME, actor
from tests.support.console import ROOT
from tests.support.kube.images import HANDLERS
from tests.support.kube.node import BRIDGE
from tests.support.manifests import as_yaml
from tests.support.wait import until

pytestmark = [pytest.mark.alone, pytest.mark.timeout(400)]


@pytest.fixture
def made(tmp_path: Path) -> Iterator[Path]:
    """A folder with `out` and `err` of a `make cluster` that runs."""
    with (tmp_path / "out").open("w") as out, (tmp_path / "err").open("w") as err:
        process = subprocess.Popen(["make", "cluster"], cwd=ROOT, stdout=out, stderr=err, start_new_session=True)
    try:
        yield tmp_path
        assert process.wait(60) == 0, (tmp_path / "err").read_text()
    finally:
        with suppress(ProcessLookupError):  # its own group, make and what it started, when the test has failed
            os.killpg(process.pid, signal.SIGTERM)
        process.wait(60)


def test_make_cluster_gives_a_mesh_to_work_with_and_says_how_to_stop_it(made: Path) -> None:
    def told() -> str:
        return (made / "err").read_text()

    (stop,) = until(lambda: re.findall(r"^# Ctrl-C ends it, and so does: (kill \d+)$", told(), re.MULTILINE), 240, 0.2)
    environ = (made / "out").read_text()

    def typed(command: str, text: str = "") -> str:
        """What a shell prints that has read what `make cluster` printed."""
        done = subprocess.run(
            ["bash", "-c", f"{environ}\n{command}"],
            input=text,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert done.returncode == 0, f"{command}: {done.stderr}"
        return done.stdout

    assert " Ready " in typed("kubectl get nodes --no-headers")
    assert "successfully rolled out" in typed("kubectl rollout status deployment/asya-controller -n asya-system")
    mine = actor(((*RUNTIME, "image"), HANDLERS[0]), ((*RUNTIME, "env", 0, "value"), "work.greet"))
    typed("kubectl apply --namespace default -f -", as_yaml(mine))
    typed("kubectl wait asya hello --namespace default --for condition=Ready --timeout 90s")
    assert "scaledobjects" in typed("kubectl api-resources --api-group keda.sh --no-headers")
    (folder,) = re.findall(r"the node's logs in (\S+)$", told(), re.MULTILINE)
    subprocess.run(["bash", "-c", stop], check=True)
    until(lambda: not (Path("/sys/class/net") / BRIDGE).exists(), 60, what="the bridge is gone")
    until(lambda: not Path(folder).exists(), 60, what="the node's folder is gone")
