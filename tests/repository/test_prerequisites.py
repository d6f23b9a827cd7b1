"""The commands of docs/installation.md that need Docker and the internet, read from the page, as far as they go without.

A real kind (tools/cluster-binaries) takes tests/cluster/kind.yaml and asks a `docker` that runs nothing for its node, and then for the
images that the page has built. KEDA's release is the one whose programs run in the tests.
"""

import re
import shlex
import subprocess
from pathlib import Path

import pytest

from tests.support.console import ROOT
from tests.support.kube.binaries import binaries

PAGE = (ROOT / "docs" / "installation.md").read_text()
DOCKER = """\
#!/bin/sh
echo "$@" >> {calls}
case "$1" in
-v) echo 'Docker version 28.0.0, build 1' ;;
info) echo '{{"CgroupVersion": "2", "MemoryLimit": true, "PidsLimit": true, "CPUShares": true}}' ;;
ps) cat {nodes} ;;
inspect) echo control-plane ;;
image) echo sha256:of-an-image ;;
run | exec | save) echo 'nothing runs here' >&2; exit 125 ;;
esac
"""


def command(first: str) -> str:
    """The one line of the page that begins so."""
    (found,) = re.findall(rf"^{first}.*$", PAGE, re.MULTILINE)
    return str(found)


@pytest.fixture
def calls(tmp_path: Path) -> Path:
    """What `docker` in tmp_path was asked, a line each."""
    program = tmp_path / "docker"
    (tmp_path / "nodes").touch()
    program.write_text(DOCKER.format(calls=tmp_path / "calls", nodes=tmp_path / "nodes"))
    program.chmod(0o755)
    return tmp_path / "calls"


def typed(folder: Path, line: str) -> str:
    """Type it; what kind said before it ended."""
    program, *arguments = shlex.split(line)
    path = f"{folder}:{binaries('kind')[program].parent}:/usr/bin:/bin"
    environ = {"PATH": path, "HOME": str(folder), "KUBECONFIG": str(folder / "kubeconfig")}
    done = subprocess.run(
        [binaries("kind")[program], *arguments],
        cwd=ROOT,
        env=environ,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    return done.stderr


def test_kind_takes_our_file_and_asks_for_its_node(calls: Path) -> None:
    said = typed(calls.parent, command("kind create"))
    assert "nothing runs here" in said, "as far as a Docker that runs nothing goes"
    (asked,) = [line for line in calls.read_text().splitlines() if line.startswith("run ")]
    assert "--name asya-control-plane" in asked
    published = set(re.findall(r"--publish=127\.0\.0\.1:(\d+):(\d+)/TCP", asked))
    assert {inside for _, inside in published} == {"6443"}, "the API server alone: other ports are Tilt's to forward"


def test_kind_refuses_a_file_with_a_mistake(calls: Path) -> None:
    wrong = (ROOT / "tests/cluster/kind.yaml").read_text().replace("role: control-plane", "rule: control-plane")
    (calls.parent / "kind.yaml").write_text(wrong)
    line = command("kind create").replace("tests/cluster/kind.yaml", str(calls.parent / "kind.yaml"))
    assert "field rule not found" in typed(calls.parent, line)


def test_kind_takes_the_images_that_the_page_has_built_to_the_cluster_of_our_file(calls: Path) -> None:
    (calls.parent / "nodes").write_text("asya-control-plane\n")
    typed(calls.parent, command("kind load"))
    asked = calls.read_text().splitlines()
    assert [line for line in asked if line.startswith("ps ") and "label=io.x-k8s.kind.cluster=asya " in line]
    (saved,) = [line for line in asked if line.startswith("save ")]
    built = re.findall(r"^\$ docker build .*--tag (\S+)", PAGE, re.MULTILINE)
    assert len(built) == 4
    assert set(built) <= set(saved.split())


def test_the_keda_that_the_page_installs_is_the_one_that_the_tests_run() -> None:
    pinned = (ROOT / "tests/cluster/binaries/keda/go.mod").read_text()
    (version,) = re.findall(r"^\s*(?:require )?github\.com/kedacore/keda/v2 v(\S+)", pinned, re.MULTILINE)
    typed = command("kubectl apply --server-side -f https://github.com/kedacore")
    assert typed.endswith(f"/releases/download/v{version}/keda-{version}.yaml")
